"""A domain like any other with the certificate that is made at the first start.

Delta Chat verifies certificates of such a domain strictly, so `dcaccount:` cannot work there:
all that a client needs must stand in the page's code.
"""
from join import join, scan
from product import Product


def test_delta_chat_joins_by_the_code_on_the_page(tmp_path):
    with Product(domain="chat.example", arguments=("--standard-ports", "--port-offset", "0")):
        code = scan("https://chat.example", tmp_path)
        assert "@chat.example?" in code and "ih=chat.example" in code and "ic=3" in code
        join("chat.example", code)
