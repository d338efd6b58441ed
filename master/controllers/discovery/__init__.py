"""The parts of the EndpointSlice and Endpoints controllers: from pods to endpoints to slices. Pure."""
