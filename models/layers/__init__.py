"""Layers that several networks share: convolutions and batch norm."""
