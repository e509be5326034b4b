"""What `ops doctor` looks at before an update, a file for each subject."""
