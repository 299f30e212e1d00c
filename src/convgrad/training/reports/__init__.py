"""What is told about a training: files for spreadsheets and other tools, pictures, and one page that sums it up."""
