import pytest

# Its assertions are tests' too.
pytest.register_assert_rewrite("tests.sdks.shop")
