"""Search attributes of a case, all keywords; no personal data in the clear.

No payload codec covers search attributes, so the customer is a keyed hash.
"""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from contracts.case import CaseInput

TENANT = SearchAttributeKey.for_keyword("EverpostTenant")
DEFINITION = SearchAttributeKey.for_keyword("EverpostDefinition")
MAILBOX = SearchAttributeKey.for_keyword("EverpostMailbox")
STATE = SearchAttributeKey.for_keyword("EverpostState")
LABEL = SearchAttributeKey.for_keyword("EverpostLabel")
CUSTOMER = SearchAttributeKey.for_keyword("EverpostCustomer")

ALL = (TENANT, DEFINITION, MAILBOX, STATE, LABEL, CUSTOMER)


def of_case(start: CaseInput) -> TypedSearchAttributes:
    """Return what a case's workflow is found by from its start on."""
    pairs = [SearchAttributePair(TENANT, start.tenant)]
    pairs.append(SearchAttributePair(DEFINITION, start.definition))
    if start.mailbox_id:
        pairs.append(SearchAttributePair(MAILBOX, start.mailbox_id))
    if start.customer_hash:
        pairs.append(SearchAttributePair(CUSTOMER, start.customer_hash))
    return TypedSearchAttributes(pairs)
