"""fetch.py URL - print what an HTTPS server with any certificate answers."""
import ssl
import sys
import urllib.request

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with urllib.request.urlopen(sys.argv[1], context=context, timeout=30) as answer:
    sys.stdout.buffer.write(answer.read())
