"""The memory of Hoeffding trees: a pool of trees as flat arrays, how it grows, and how it is saved."""
