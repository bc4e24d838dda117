"""What decisions rest on beside their events and the model: found in the state, or given by records of the past."""
