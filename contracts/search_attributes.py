"""Search attributes of a case, all keywords; no personal data in the clear.

No payload codec covers search attributes, so the customer is a keyed hash.
"""

from temporalio.common import SearchAttributeKey

TENANT = SearchAttributeKey.for_keyword("EverpostTenant")
DEFINITION = SearchAttributeKey.for_keyword("EverpostDefinition")
MAILBOX = SearchAttributeKey.for_keyword("EverpostMailbox")
STATE = SearchAttributeKey.for_keyword("EverpostState")
LABEL = SearchAttributeKey.for_keyword("EverpostLabel")
CUSTOMER = SearchAttributeKey.for_keyword("EverpostCustomer")

ALL = (TENANT, DEFINITION, MAILBOX, STATE, LABEL, CUSTOMER)
