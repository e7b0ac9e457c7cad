import pytest

pytest.register_assert_rewrite("tests.pages")  # its helpers are imported before it is loaded as a plugin
