"""The doors: thin handlers that read a request, call a service and say the answer."""
