module millrace/plugin

go 1.25
