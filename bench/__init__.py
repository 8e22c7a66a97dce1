"""What the README's figures come from: `make bench`. Everything is a ratio to a bare reference of the same run."""
