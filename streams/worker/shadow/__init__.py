"""A second model beside the one that decides, and who of both decides."""
