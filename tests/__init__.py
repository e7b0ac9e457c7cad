import pytest

# Their helpers are imported before they are loaded as plugins.
pytest.register_assert_rewrite("tests.pages", "tests.trainings")
