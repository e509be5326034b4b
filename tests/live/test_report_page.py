"""The report's page in a real browser: what a person with a mouse or a keyboard gets to see."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from ops.report_sample import sample
from ops.review.page import page
from tests.live.needs import find_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium without a window, and without the network that the page must not ask."""
    chromium, driver = find_browser()
    options = ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        # Chromium's own sandbox needs rights that a container and root don't have.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1500,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    with Chrome(options=options, service=ChromeService(driver)) as opened:
        opened.set_network_conditions(
            offline=True, latency=0, download_throughput=0, upload_throughput=0
        )
        yield opened


@pytest.fixture
def opened(browser: Chrome, tmp_path: Path) -> Chrome:
    """The page of the recorded change, of a stack that stays the same, and of one that fails."""
    report = sample()
    [stack] = report.stacks
    same = [
        replace(
            component,
            resources=tuple(
                replace(resource, operation="same", properties=(), labels=())
                for resource in component.resources
            ),
        )
        for component in stack.components
    ]
    quiet = replace(
        stack, stack="quiet", counts={}, settings=(), outputs=(), components=tuple(same)
    )
    failed = replace(stack, stack="failed", error="no such key <b>", counts={}, components=())
    file = tmp_path / "report.html"
    file.write_text(page(replace(report, stacks=(stack, quiet, failed))), encoding="utf-8")
    browser.get(file.as_uri())
    return browser


def one(opened: Chrome, css: str) -> WebElement:
    return opened.find_element(By.CSS_SELECTOR, css)


def names(opened: Chrome, css: str = ".resource:not(.dim) .name") -> set[str]:
    return {found.text for found in opened.find_elements(By.CSS_SELECTOR, css)}


def name_in(found: WebElement, attribute: str) -> str:
    """The resource's name in the URN that an attribute holds."""
    return str(found.get_attribute(attribute)).rpartition("::")[2]


def focused(opened: Chrome) -> str:
    return name_in(opened.switch_to.active_element, "data-urn")


def press(opened: Chrome, *keys: str) -> None:
    for key in keys:
        opened.switch_to.active_element.send_keys(key)


def scale(opened: Chrome) -> float:
    transform = one(opened, "#scene").get_attribute("transform")
    assert transform
    return float(transform.rpartition("scale(")[2].rstrip(")"))


def test_nothing_goes_wrong_and_nothing_is_asked_of_a_network(opened: Chrome) -> None:
    assert opened.get_log("browser") == []
    asked = opened.execute_script("return performance.getEntriesByType('resource').length")
    assert asked == 0


def test_every_resource_is_in_the_picture_marked_and_inside_its_component(opened: Chrome) -> None:
    [stack] = sample().stacks
    assert names(opened) == {resource.name for resource in stack.resources}
    assert names(opened, ".resource.replace .name") == {
        "store-access-version",
        "store-secret-key",
        "store-user",
        "store-user-policy",
    }
    inside = opened.execute_script(
        "return [...document.querySelectorAll('.box')].every((box) => {"
        " const outer = box.querySelector(':scope > rect').getBoundingClientRect();"
        " return [...box.querySelectorAll('.resource text')].every((text) => {"
        "  const inner = text.getBoundingClientRect();"
        "  return inner.left >= outer.left && inner.right <= outer.right"
        "   && inner.top >= outer.top && inner.bottom <= outer.bottom; }); })"
    )
    assert inside


def test_boxes_and_their_names_do_not_cover_each_other(opened: Chrome) -> None:
    covering = opened.execute_script(
        "const all = [...document.querySelectorAll('.box > rect')]"
        ".map((box) => box.getBoundingClientRect());"
        "return all.filter((one, i) => all.some((other, j) => i < j && one.left < other.right"
        " && other.left < one.right && one.top < other.bottom && other.top < one.bottom)).length"
    )
    assert covering == 0


def test_a_click_shows_old_and_new_values_and_what_it_waits_for(opened: Chrome) -> None:
    assert not one(opened, "#details").is_displayed()
    one(opened, ".resource[data-urn$='::tempo-release']").click()
    details = one(opened, "#details")
    assert "how long Tempo keeps traces" in details.text
    row = one(opened, "#details tbody tr")
    assert [cell.text for cell in row.find_elements(By.TAG_NAME, "td")][1:] == ["168h", "72h"]
    assert "weakens TLS or auth" in details.text
    near = opened.find_elements(By.CSS_SELECTOR, ".edge.near")
    assert {name_in(edge, "data-to") for edge in near} >= {
        "tempo-release",
        "collector-release",
    }
    one(opened, "#details .link").click()
    assert one(opened, "#details h2").text == focused(opened)


def test_a_secret_is_only_said_to_be_one(opened: Chrome) -> None:
    one(opened, ".resource[data-urn$='::grafana-api']").click()
    cells = one(opened, "#details tbody tr").find_elements(By.TAG_NAME, "td")
    assert [cell.text for cell in cells] == ["auth", "secret", "secret"]


def test_the_keyboard_alone_is_enough(opened: Chrome) -> None:
    press(opened, "/", "lifecycle", Keys.ENTER)
    assert focused(opened) == "store-lifecycle"
    press(opened, "/", Keys.ESCAPE)
    assert names(opened) == {resource.name for resource in sample().stacks[0].resources}
    assert focused(opened) == "store-lifecycle"
    press(opened, Keys.ARROW_DOWN)
    assert focused(opened) == "store-policy"
    press(opened, Keys.ARROW_UP, Keys.ARROW_UP)
    assert focused(opened) == "store-bucket"
    press(opened, Keys.ARROW_RIGHT)
    assert focused(opened) == "tempo-release"
    press(opened, Keys.ENTER)
    assert one(opened, "#details h2").text == "tempo-release"
    press(opened, Keys.ESCAPE)
    assert not one(opened, "#details").is_displayed()
    assert focused(opened) == "tempo-release"
    before = scale(opened)
    press(opened, "+")
    assert scale(opened) > before
    press(opened, "-", "-")
    assert scale(opened) < before
    press(opened, "0")
    assert scale(opened) == pytest.approx(before)


def test_tab_leads_into_the_picture_and_out_of_it_again(opened: Chrome) -> None:
    met = []
    for _ in range(40):
        press(opened, Keys.TAB)
        active = opened.switch_to.active_element
        met.append(active.get_attribute("data-urn") or active.get_attribute("id") or active.text)
    resources = [known for known in met if str(known).startswith("urn:")]
    # One stop for all of them: who wants past the picture need not walk through it.
    assert len(set(resources)) == 1
    assert "find" in met
    assert "The engine's diff" in met


def test_filters_by_name_component_operation_and_label(opened: Chrome) -> None:
    one(opened, "#find").send_keys("block_retention")
    assert names(opened) == {"tempo-release"}
    one(opened, "#find").clear()
    one(opened, "#component option[value='namespaces']").click()
    assert names(opened) == {"namespace-otel", "namespace-tempo", "namespace-traefik"}
    one(opened, "#operations [data-name='create']").click()
    assert names(opened) == {"namespace-traefik"}
    assert one(opened, "#matching").text == "1 of 29 resources"
    one(opened, "#component option[value='*']").click()
    one(opened, "#operations [data-name='create']").click()
    one(opened, "#labels [data-name='changes retention']").click()
    assert names(opened) == {"store-lifecycle", "tempo-release"}


def test_another_stack_is_chosen_by_the_arrows_and_says_that_nothing_changes(
    opened: Chrome,
) -> None:
    one(opened, "#tab-sample").click()
    press(opened, Keys.ARROW_RIGHT)
    assert one(opened, "#tab-quiet").get_attribute("aria-selected") == "true"
    assert "no changes" in one(opened, "#tab-quiet").text
    assert names(opened, ".resource:not(.same) .name") == set()


def test_a_stack_that_failed_shows_why_and_its_text_is_text(opened: Chrome) -> None:
    one(opened, "#tab-failed").click()
    assert one(opened, "#stack-notes [role='alert']").text == "no such key <b>"
    assert not one(opened, "#workspace").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(opened: Chrome, scheme: str) -> None:
    emulated = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    one(opened, ".resource[data-urn$='::tempo-release']").click()
    # WCAG's contrast of text, as drawn: the colour of the text on the nearest ground behind it.
    contrasts = opened.execute_script(CONTRASTS)
    assert min(contrasts.values()) >= 4.5, contrasts
    ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(246, 248, 250)") == (scheme == "light")


CONTRASTS = """
const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
const light = (colour) => numbers(colour).slice(0, 3)
  .map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
const opaque = (colour) => numbers(colour).length === 3;
const ground = (found) => {
  for (let at = found; at; at = at.parentElement) {
    const rect = at.matches('.resource, .box') ? at.querySelector(':scope > rect') : null;
    const colour = rect ? getComputedStyle(rect).fill : getComputedStyle(at).backgroundColor;
    if (opaque(colour)) return colour;
  }
};
const contrasts = {};
const texts = 'h1, h2, h3, p, code, button, th, td, .chip, .note, svg text, summary, output, kbd';
for (const found of document.querySelectorAll(texts)) {
  if (!found.textContent.trim() || !found.getClientRects().length) continue;
  const style = getComputedStyle(found);
  const ink = found.namespaceURI.endsWith('svg') ? style.fill : style.color;
  const [a, b] = [light(ink), light(ground(found))].sort((one, other) => other - one);
  const ratio = (a + 0.05) / (b + 0.05);
  const name = `${found.tagName} ${found.className.baseVal ?? found.className} ${ink}`;
  contrasts[name] = Math.min(contrasts[name] ?? 99, ratio);
}
return contrasts;
"""
