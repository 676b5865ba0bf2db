"""Histories of cases as earlier releases ran them; today's workflows must replay them."""
