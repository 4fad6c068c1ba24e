/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the cipher: module tercet_cipher. The state of a page lives in a bytearray of the caller. */
#include "py/dynruntime.h"

#include "tc_aead.h"

static mp_buffer_info_t bytes(mp_obj_t o, size_t count, int flags) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, flags);
    if (info.len < count) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer too short"));
    }
    return info;
}

static tc_aead_t *state_of(mp_obj_t o) {
    void *state = bytes(o, sizeof(tc_aead_t), MP_BUFFER_RW).buf;
    if ((uintptr_t)state & 3) {
        mp_raise_ValueError(MP_ERROR_TEXT("a state lies at a multiple of 4"));
    }
    return state;
}

/* begin(state, key, page): `page` is 16 bytes that name the page and its write; the last 12 are the nonce, all are bound */
static mp_obj_t begin(mp_obj_t state, mp_obj_t key, mp_obj_t page_in) {
    const uint8_t *page = bytes(page_in, 16, MP_BUFFER_READ).buf;
    tc_aead_begin(state_of(state), bytes(key, TC_KEY_BYTES, MP_BUFFER_READ).buf, page + 4, page, 16);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(begin_obj, begin);

/* seal(state, to, from): as many bytes as `from` has; only the last piece may be other than a multiple of 64 bytes */
static mp_obj_t seal(mp_obj_t state, mp_obj_t to, mp_obj_t from_in) {
    mp_buffer_info_t from = bytes(from_in, 0, MP_BUFFER_READ);
    tc_aead_seal(state_of(state), bytes(to, from.len, MP_BUFFER_WRITE).buf, from.buf, from.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(seal_obj, seal);

/* open(state, buffer): in place */
static mp_obj_t open(mp_obj_t state, mp_obj_t buffer) {
    mp_buffer_info_t piece = bytes(buffer, 0, MP_BUFFER_RW);
    tc_aead_open(state_of(state), piece.buf, piece.buf, piece.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(open_obj, open);

static uint8_t *tag_at(mp_obj_t tags, mp_obj_t number_in, int flags) {
    size_t number = (size_t)mp_obj_get_int(number_in);
    return (uint8_t *)bytes(tags, (number + 1) * TC_TAG_BYTES, flags).buf + number * TC_TAG_BYTES;
}

/* tag(state, tags, number): writes the tag as number `number` of `tags` */
static mp_obj_t tag(mp_obj_t state, mp_obj_t tags, mp_obj_t number) {
    tc_aead_end(state_of(state), tag_at(tags, number, MP_BUFFER_WRITE));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(tag_obj, tag);

/* matches(state, tags, number) -> whether that is the tag of what was opened */
static mp_obj_t matches(mp_obj_t state, mp_obj_t tags, mp_obj_t number) {
    return mp_obj_new_bool(tc_aead_matches(state_of(state), tag_at(tags, number, MP_BUFFER_READ)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(matches_obj, matches);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_STATE_BYTES, MP_OBJ_NEW_SMALL_INT(sizeof(tc_aead_t)));
    mp_store_global(MP_QSTR_begin, MP_OBJ_FROM_PTR(&begin_obj));
    mp_store_global(MP_QSTR_seal, MP_OBJ_FROM_PTR(&seal_obj));
    mp_store_global(MP_QSTR_open, MP_OBJ_FROM_PTR(&open_obj));
    mp_store_global(MP_QSTR_tag, MP_OBJ_FROM_PTR(&tag_obj));
    mp_store_global(MP_QSTR_matches, MP_OBJ_FROM_PTR(&matches_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
