"""profile: who a customer is and what they did."""
