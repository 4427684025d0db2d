"""The checks of what is stored: every figure is summed again from those it rests on."""
