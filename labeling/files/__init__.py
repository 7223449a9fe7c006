"""Reading files that were made elsewhere: what each layout means, with the line at fault."""
