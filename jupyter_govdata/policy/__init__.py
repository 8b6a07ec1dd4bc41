"""Cedar policies to decisions: what a principal may do with an asset, and what of it they see.

Runs in the gateway (and in `apply`); pure: text and cards in, values out. The rooms around it
use `governance` (read the folder), `validate` (check it against the assets), `engine` (decide)
and `explain` (say why).

Conventions of the policies
---------------------------
Entity types are `User`, `Group`, `Lake`, `Namespace`, `Asset`, `Column` and `Row` (see
`entities`). `Asset`, `Column` and `Row` all have the attribute `asset`, so one policy serves
every action. Access of owners and stewards is an ordinary policy, not a rule of the engine:

    @id("owners")
    permit (principal, action, resource)
    when { resource.asset.owner == principal || principal in resource.asset.steward };

`owner` is a `User`; `steward` is the `User` or `Group` that the card names, and Cedar's `in`
holds for both. On a namespace or the lake there is no `asset`: there the policy errs, and a
permit that errs grants nothing. So owners may publish into their assets, but a new asset needs a
permit on its namespace.

Every policy has an `@id`; `@description` is for people; `@mask` belongs to a forbid on `reveal`.

From a policy to a row filter
-----------------------------
`records` parses a policy once, `index` finds the few that concern a question, `rows` makes them
ready for rows, `cedar` evaluates as far as the known attributes go, and `residual` turns the
rest into two predicates: where the condition is true, and where it is false, without an error.
A permit grants where true; a forbid steps back only where false. NULL is a missing attribute,
hence an error, hence neither.
"""
