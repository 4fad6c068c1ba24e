/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the card driver: module tercet_card. A transfer lives in a bytearray of the caller, so that nothing is
 * allocated and several may exist. */
#include "py/dynruntime.h"

#include "tc_card.h"

static tc_job_t *job_of(mp_obj_t o) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, MP_BUFFER_RW);
    if (info.len < sizeof(tc_job_t) || ((uintptr_t)info.buf & 3)) {
        mp_raise_ValueError(MP_ERROR_TEXT("a job needs JOB_BYTES at a multiple of 4"));
    }
    return info.buf;
}

/* setup(job, array('I', [spim, cs set, cs clear, cs mask, frequency, sck, mosi, miso, unit, cycles, deadline])) */
static mp_obj_t setup(mp_obj_t job_in, mp_obj_t settings_in) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(settings_in, &info, MP_BUFFER_READ);
    if (info.len < sizeof(tc_port_t)) {
        mp_raise_ValueError(MP_ERROR_TEXT("too few settings"));
    }
    tc_job_t *job = job_of(job_in);
    const uint32_t *words = info.buf;
    uint32_t *port = (uint32_t *)&job->port;
    for (size_t i = 0; i < sizeof(tc_port_t) / 4; i++) {
        port[i] = words[i];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(setup_obj, setup);

/* start(job, write, block, buffer): begins a transfer; the buffer must live until it has ended */
static mp_obj_t start(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t data;
    bool write = mp_obj_get_int(o[1]) != 0;
    mp_get_buffer_raise(o[3], &data, write ? MP_BUFFER_READ : MP_BUFFER_RW);
    if (data.len == 0 || data.len % TC_BLOCK_BYTES) {
        mp_raise_ValueError(MP_ERROR_TEXT("whole blocks of 512 bytes are needed"));
    }
    tc_start(job_of(o[0]), write, (uint32_t)mp_obj_get_int_truncated(o[2]), data.buf, data.len / TC_BLOCK_BYTES);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(start_obj, 4, 4, start);

/* advance(job) -> 1 while it runs, then 0 or what went wrong; never waits */
static mp_obj_t advance(mp_obj_t job_in) { return mp_obj_new_int(tc_advance(job_of(job_in))); }
static MP_DEFINE_CONST_FUN_OBJ_1(advance_obj, advance);

/* finish(job) -> 0, or what went wrong */
static mp_obj_t finish(mp_obj_t job_in) { return mp_obj_new_int(tc_finish(job_of(job_in))); }
static MP_DEFINE_CONST_FUN_OBJ_1(finish_obj, finish);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_JOB_BYTES, MP_OBJ_NEW_SMALL_INT(sizeof(tc_job_t)));
    mp_store_global(MP_QSTR_setup, MP_OBJ_FROM_PTR(&setup_obj));
    mp_store_global(MP_QSTR_start, MP_OBJ_FROM_PTR(&start_obj));
    mp_store_global(MP_QSTR_advance, MP_OBJ_FROM_PTR(&advance_obj));
    mp_store_global(MP_QSTR_finish, MP_OBJ_FROM_PTR(&finish_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
