"""What segmentation can refuse."""

from shared.errors import Invalid, NotFound


class CustomerNotFound(NotFound):
    code = "customer-not-found"


class SegmentNotFound(NotFound):
    code = "segment-not-found"


class AtInTheFuture(Invalid):
    code = "at-in-the-future"


class RuleFieldUnknown(Invalid):
    code = "rule-field-unknown"


class RuleOperatorUnknown(Invalid):
    code = "rule-operator-unknown"


class RuleValueInvalid(Invalid):
    code = "rule-value-invalid"


class RuleTooDeep(Invalid):
    code = "rule-too-deep"


class RuleTooLarge(Invalid):
    code = "rule-too-large"


class FactUnknownThen(Invalid):
    code = "fact-unknown-then"


class RuleTooSlow(Invalid):
    code = "rule-too-slow"


# What may be wrong with a rule, before it is asked for customers.
RULE_REFUSALS = (RuleFieldUnknown, RuleOperatorUnknown, RuleValueInvalid, RuleTooDeep, RuleTooLarge)
