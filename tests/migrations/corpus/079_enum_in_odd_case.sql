-- expect 1: missing-lock-timeout, dropped-column
-- expect 2: dropped-table
aLtEr/* odd */TaBlE"Users"DrOp"Name";
dRoP
TaBlE -- which one?
"Users"
;
