"""PostgreSQL's operators, and the expressions whose type is always the same, by the nodes of sqlglot."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.binding.catalog import UNKNOWN

OPERATORS: Mapping[type[exp.Expression], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.Pow: "^", exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|", exp.BitwiseXor: "#", exp.BitwiseLeftShift: "<<", exp.BitwiseRightShift: ">>", exp.DPipe: "||",
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.Like: "~~",
    exp.ILike: "~~*", exp.RegexpLike: "~", exp.RegexpILike: "~*", exp.NullSafeEQ: "=", exp.NullSafeNEQ: "=",
    exp.ArrayContainsAll: "@>", exp.ArrayContainedBy: "<@", exp.ArrayOverlaps: "&&", exp.Distance: "<->",
    exp.JSONBExtract: "#>", exp.JSONBExtractScalar: "#>>", exp.JSONBContains: "?", exp.Adjacent: "-|-",
    exp.JSONBContainsTopKey: "?", exp.JSONBContainsAnyTopKeys: "?|", exp.JSONBContainsAllTopKeys: "?&",
    exp.JSONBDeleteAtPath: "#-",
}  # fmt: skip
FIXED: Mapping[type[exp.Expression], str] = {
    exp.Boolean: "bool", exp.CurrentDate: "date", exp.CurrentTime: "timetz", exp.CurrentTimestamp: "timestamptz",
    exp.Localtime: "time", exp.Localtimestamp: "timestamp", exp.CurrentUser: "name", exp.SessionUser: "name",
    exp.CurrentCatalog: "name", exp.CurrentSchema: "name", exp.CurrentRole: "name", exp.Null: UNKNOWN,
    exp.BitString: "bit", exp.HexString: "bit", exp.ByteString: UNKNOWN, exp.RawString: UNKNOWN,
    exp.UnicodeString: UNKNOWN, exp.Interval: "interval", exp.JSONBPathExists: "bool",
}  # fmt: skip
