"""The five services. None imports another; learn one and you know all."""
