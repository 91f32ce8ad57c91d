-- expect 1: missing-lock-timeout
ALTER TABLE email ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users (id) MATCH SIMPLE ON UPDATE NO ACTION NOT VALID;
COMMENT ON CONSTRAINT fk_user ON email IS 'validated by the next statement';
ALTER TABLE email VALIDATE CONSTRAINT fk_user;
