"""The experts that add up inputs, on a device: linear and logistic ones, on features, on time, and on the others."""
