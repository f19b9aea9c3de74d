"""Pages in the order that others ask for, made from the stored record of an audit."""
