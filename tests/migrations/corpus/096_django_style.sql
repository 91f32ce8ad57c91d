-- transaction: yes
-- expect 1: missing-lock-timeout
-- expect 3: blocking-foreign-key, missing-statement-timeout
-- expect 4: blocking-index
ALTER TABLE "shop_order" ADD COLUMN "coupon_id" bigint NULL CONSTRAINT "shop_order_coupon_id_8f_fk" REFERENCES "shop_coupon" ("id") DEFERRABLE INITIALLY DEFERRED;
SET CONSTRAINTS "shop_order_coupon_id_8f_fk" IMMEDIATE;
ALTER TABLE "shop_order" ADD CONSTRAINT "shop_order_cart_fk" FOREIGN KEY ("cart_id") REFERENCES "shop_cart" ("id") DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX "shop_order_coupon_id_8f" ON "shop_order" ("coupon_id");
