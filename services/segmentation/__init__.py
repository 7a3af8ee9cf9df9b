"""Segmentation: which lifecycle stage and which segments a customer is in."""
