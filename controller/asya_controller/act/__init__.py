"""The controller's edge: does what decide/ says and adds no condition of its own."""
