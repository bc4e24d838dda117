"""Ideas of the mixture-of-experts literature, each as a function of what a pool's experts said of a stream."""
