"""Past events and their labels: from files and topics into the service, or through the whole service in process."""
