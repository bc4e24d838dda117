"""An expert that hears the experts before it: a second pass over what they say, with traits of the text."""
