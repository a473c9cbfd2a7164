from item_rows import *
from server.moderation.purge import expired
from server.storage.port import *
def test_x(database):
    rows=ItemRows(database)
    rows.item("old", at=NOON)
    c=NOON+DAY
    for w in (Compares("decidedAt",Order.LESS,c), Differs("state","pending"), All((Differs("state","pending"),Differs("state","review"))), Differs("legalHold",True), Exists("unsettled",False), All(expired(c)), All((OneOf("objectId",("old",)),All(expired(c))))):
        print(len(rows.objects.find(ITEM,Query(w))), w)
    print(rows.objects.delete(ITEM, All((OneOf("objectId",("old",)),All(expired(c))))))
    assert 0
