/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the card driver: module tercet_card. A transfer lives in a bytearray of the caller, so that nothing is
 * allocated and several may exist. */
#include "py/dynruntime.h"

#include "../../card/tc_pager.h"
#include "../../card/tc_states.h"

static mp_buffer_info_t words(mp_obj_t o, size_t bytes, int flags) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, flags);
    if (info.len < bytes || ((uintptr_t)info.buf & 3)) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer too short or not at a multiple of 4"));
    }
    return info;
}

static tc_job_t *job_of(mp_obj_t o) { return words(o, sizeof(tc_job_t), MP_BUFFER_RW).buf; }

/* setup(job, array('I', [spim, cs set, cs clear, cs mask, sck, mosi, miso, unit, then frequency, deadline bytes and delay of the
 * rate and of a slower one]), slot): everything is sent from `slot`, of SLOT_BYTES at least; a pager uses what it has beyond */
static mp_obj_t setup(mp_obj_t job_in, mp_obj_t settings_in, mp_obj_t slot_in) {
    mp_buffer_info_t info = words(settings_in, sizeof(tc_port_t), MP_BUFFER_READ);
    tc_job_t *job = job_of(job_in);
    const uint32_t *from = info.buf;
    uint32_t *port = (uint32_t *)&job->port;
    for (size_t i = 0; i < sizeof(tc_port_t) / 4; i++) {
        port[i] = from[i];
    }
    job->strikes = 0;
    info = words(slot_in, TC_SLOT_BYTES, MP_BUFFER_RW);
    job->slot = info.buf;
    job->slot_bytes = info.len;
    if (job->lowered) {
        tc_lower_rate(job);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(setup_obj, setup);

/* lower(job): takes the slower rate, where there is one */
static mp_obj_t lower(mp_obj_t job) {
    tc_lower_rate(job_of(job));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(lower_obj, lower);

/* lowered(job) -> whether the slower rate had to be taken */
static mp_obj_t lowered(mp_obj_t job) { return mp_obj_new_bool(job_of(job)->lowered); }
static MP_DEFINE_CONST_FUN_OBJ_1(lowered_obj, lowered);

/* start(job, write, block, buffer): begins a transfer; the buffer must live until it has ended */
static mp_obj_t start(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t data;
    bool write = mp_obj_get_int(o[1]) != 0;
    mp_get_buffer_raise(o[3], &data, write ? MP_BUFFER_READ : MP_BUFFER_RW);
    if (data.len == 0 || data.len % TC_BLOCK_BYTES) {
        mp_raise_ValueError(MP_ERROR_TEXT("whole blocks of 512 bytes are needed"));
    }
    job_of(o[0])->guard = NULL;
    tc_start(job_of(o[0]), write, (uint32_t)mp_obj_get_int_truncated(o[2]), data.buf, data.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(start_obj, 4, 4, start);

/* advance(job) -> 1 while it runs, then 0 or what went wrong; never waits */
static mp_obj_t advance(mp_obj_t job_in) { return mp_obj_new_int(tc_advance(job_of(job_in))); }
static MP_DEFINE_CONST_FUN_OBJ_1(advance_obj, advance);

/* finish(job) -> 0, or what went wrong */
static mp_obj_t finish(mp_obj_t job_in) { return mp_obj_new_int(tc_finish(job_of(job_in))); }
static MP_DEFINE_CONST_FUN_OBJ_1(finish_obj, finish);

/* transfer(job, write, block, buffer) -> 0, or what went wrong: start and finish. Meanwhile no object of Python's is looked at. */
static mp_obj_t transfer(size_t n_args, const mp_obj_t *o) {
    tc_job_t *job = job_of(o[0]);
    start(n_args, o);
    return mp_obj_new_int(tc_finish(job));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(transfer_obj, 4, 4, transfer);

/* Whether memory at `a` lies in an 8 KB block of RAM in which some at `b` does. Code runs from RAM's alias at 0x00800000. */
static bool together(uintptr_t a, size_t a_bytes, uintptr_t b, size_t b_bytes) {
    enum { ALIAS = 0x00800000, RAM = 0x20000000, BLOCK_BITS = 13 };
    if (b < RAM) {
        if (b < ALIAS) {
            return false; /* flash */
        }
        b += RAM - ALIAS;
    }
    return a >> BLOCK_BITS <= (b + b_bytes - 1) >> BLOCK_BITS && b >> BLOCK_BITS <= (a + a_bytes - 1) >> BLOCK_BITS;
}

/* Whether a slot shares a block with what lies around a function. */
static bool near_code(uintptr_t slot, uintptr_t function) {
    enum { CODE_BYTES = 1024 };
    return together(slot, TC_SLOT_BYTES, (function & ~(uintptr_t)1) - CODE_BYTES, 2 * CODE_BYTES);
}

/* apart(slot, buffer, ...) -> whether no 8 KB block of RAM holds both a part of the slot and one of the buffers or of the code that
 * runs while something is sent */
static mp_obj_t apart(size_t n_args, const mp_obj_t *o) {
    const uintptr_t slot = (uintptr_t)words(o[0], TC_SLOT_BYTES, MP_BUFFER_RW).buf;
    bool found = near_code(slot, (uintptr_t)transfer) || near_code(slot, (uintptr_t)tc_finish) ||
                 near_code(slot, (uintptr_t)tc_look) || near_code(slot, (uintptr_t)tc_calmed) ||
                 near_code(slot, (uintptr_t)tc_spim_begin) || near_code(slot, (uintptr_t)tc_pager_drain);
    for (size_t i = 1; i < n_args; i++) {
        const mp_buffer_info_t info = words(o[i], 1, MP_BUFFER_READ);
        found |= together(slot, TC_SLOT_BYTES, (uintptr_t)info.buf, info.len);
    }
    return mp_obj_new_bool(!found);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(apart_obj, 2, 4, apart);

static tc_pager_t *pager_of(mp_obj_t o) { return words(o, sizeof(tc_pager_t), MP_BUFFER_RW).buf; }

/* open(pager, job, kept, vectors, key, array('I', [first block, blocks, overlap])) -> what the kernels take as their hook.
 * `kept` has KEPT_BYTES a tensor, `vectors` 512 bytes, `key` 32 or, without encryption, none. */
static mp_obj_t open(size_t n_args, const mp_obj_t *o) {
    tc_pager_t *pager = pager_of(o[0]);
    mp_buffer_info_t kept = words(o[2], 0, MP_BUFFER_RW), key;
    const uint32_t *settings = words(o[5], 12, MP_BUFFER_READ).buf;
    mp_get_buffer_raise(o[4], &key, MP_BUFFER_READ);
    if (key.len != 0 && key.len != TC_KEY_BYTES) {
        mp_raise_ValueError(MP_ERROR_TEXT("a key has 32 bytes"));
    }
    pager->job = job_of(o[1]);
    pager->kept = kept.buf;
    pager->pages = kept.len / sizeof(tc_kept_t);
    pager->vectors = (uint32_t *)(((uintptr_t)words(o[3], 512, MP_BUFFER_RW).buf + 255) & ~(uintptr_t)255);
    for (size_t i = 0; i < key.len; i++) {
        ((uint8_t *)pager->key)[i] = ((const uint8_t *)key.buf)[i];
    }
    pager->encrypted = key.len != 0;
    pager->first = settings[0];
    pager->blocks = settings[1];
    pager->overlap = settings[2] != 0;
    tc_pager_open(pager);
    return mp_obj_new_int_from_uint((uintptr_t)pager);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(open_obj, 6, 6, open);

/* drain(pager) -> 0, or what went wrong; nothing is under way any more */
static mp_obj_t drain(mp_obj_t pager) { return mp_obj_new_int(tc_pager_drain(pager_of(pager))); }
static MP_DEFINE_CONST_FUN_OBJ_1(drain_obj, drain);

/* move(pager, array('I', [opcode, tensor, block, bytes]), memory, offset) -> 0, or what went wrong */
static mp_obj_t move(size_t n_args, const mp_obj_t *o) {
    const uint32_t *page = words(o[1], 16, MP_BUFFER_READ).buf;
    mp_buffer_info_t memory = words(o[2], 0, MP_BUFFER_RW);
    uint32_t at = (uint32_t)mp_obj_get_int(o[3]);
    if (at > memory.len || page[3] > memory.len - at) {
        mp_raise_ValueError(MP_ERROR_TEXT("outside the memory"));
    }
    const tk_page_t moved = {page[0], page[1], page[2], page[3], (uint8_t *)memory.buf + at};
    return mp_obj_new_int(tc_pager_move(pager_of(o[0]), &moved));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(move_obj, 4, 4, move);

/* state(pager, array('I', 6)): bytes out, bytes in, retries, what went wrong (negated), tensor and block where */
static mp_obj_t state(mp_obj_t pager_in, mp_obj_t to_in) {
    const tc_pager_t *pager = pager_of(pager_in);
    uint32_t *to = words(to_in, 24, MP_BUFFER_RW).buf;
    const uint32_t values[6] = {pager->bytes_out, pager->bytes_in, pager->retries, (uint32_t)-pager->error,
                                pager->failed.tensor, pager->failed.block};
    for (int i = 0; i < 6; i++) {
        to[i] = values[i];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(state_obj, state);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_JOB_BYTES, MP_OBJ_NEW_SMALL_INT(sizeof(tc_job_t)));
    mp_store_global(MP_QSTR_setup, MP_OBJ_FROM_PTR(&setup_obj));
    mp_store_global(MP_QSTR_lower, MP_OBJ_FROM_PTR(&lower_obj));
    mp_store_global(MP_QSTR_lowered, MP_OBJ_FROM_PTR(&lowered_obj));
    mp_store_global(MP_QSTR_start, MP_OBJ_FROM_PTR(&start_obj));
    mp_store_global(MP_QSTR_advance, MP_OBJ_FROM_PTR(&advance_obj));
    mp_store_global(MP_QSTR_finish, MP_OBJ_FROM_PTR(&finish_obj));
    mp_store_global(MP_QSTR_transfer, MP_OBJ_FROM_PTR(&transfer_obj));
    mp_store_global(MP_QSTR_apart, MP_OBJ_FROM_PTR(&apart_obj));
    mp_store_global(MP_QSTR_SLOT_BYTES, MP_OBJ_NEW_SMALL_INT(TC_SLOT_BYTES));
    mp_store_global(MP_QSTR_PAGER_BYTES, MP_OBJ_NEW_SMALL_INT(sizeof(tc_pager_t)));
    mp_store_global(MP_QSTR_KEPT_BYTES, MP_OBJ_NEW_SMALL_INT(sizeof(tc_kept_t)));
    mp_store_global(MP_QSTR_open, MP_OBJ_FROM_PTR(&open_obj));
    mp_store_global(MP_QSTR_drain, MP_OBJ_FROM_PTR(&drain_obj));
    mp_store_global(MP_QSTR_move, MP_OBJ_FROM_PTR(&move_obj));
    mp_store_global(MP_QSTR_state, MP_OBJ_FROM_PTR(&state_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
