/*
 * The C layout through which a Jackfield host and a shared library talk, for libraries and hosts in C.
 *
 * A plugin in C includes the header of its interface, which includes this one: see docs/plugins-in-c.md. What stands
 * between the marks at the end is made by `cargo xtask header` from the layout that the tests hold the Rust types
 * against, so that a compiler refuses this file where the two differ.
 */
#ifndef JACKFIELD_H
#define JACKFIELD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define JACKFIELD_ASSERT(condition, text) static_assert(condition, text)
#else
#define JACKFIELD_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* Where the note stands in the file, and what makes a symbol visible. */
#if defined(_MSC_VER)
#pragma section(".jackfld", read)
#define JACKFIELD_NOTE __declspec(allocate(".jackfld")) static
#define JACKFIELD_EXPORT __declspec(dllexport)
#elif defined(_WIN32)
#define JACKFIELD_NOTE __attribute__((used, section(".jackfld"), aligned(4))) static
#define JACKFIELD_EXPORT __declspec(dllexport)
#elif defined(__APPLE__)
#define JACKFIELD_NOTE __attribute__((used, section("__DATA,__jackfield"), aligned(4))) static
#define JACKFIELD_EXPORT __attribute__((visibility("default")))
#else
#define JACKFIELD_NOTE __attribute__((used, section(".note.jackfield"), aligned(4))) static
#define JACKFIELD_EXPORT __attribute__((visibility("default")))
#endif

#if defined(__GNUC__)
#define JACKFIELD_MAYBE_UNUSED __attribute__((unused))
#else
#define JACKFIELD_MAYBE_UNUSED
#endif
#define JACKFIELD_HELPER JACKFIELD_MAYBE_UNUSED static inline

/* How a call ended. With any but the first and JACKFIELD_PENDING, the callee has written a refusal. */
enum {
    JACKFIELD_OK = 0,
    JACKFIELD_FAULT = 1,     /* The method's own error, see `jackfield_fail`. */
    JACKFIELD_PANIC = 2,     /* It gave up; the refusal is a text. */
    JACKFIELD_PENDING = 3,   /* Of an asynchronous method: it has written a future. */
    JACKFIELD_MALFORMED = 4  /* The request could not be read; the refusal is a text. */
};

/* A borrowed text in UTF-8, without a zero at its end. */
typedef struct {
    const char *data;
    size_t len;
} jackfield_text;

/* Borrowed bytes. */
typedef struct {
    const uint8_t *data;
    size_t len;
} jackfield_view;

/* Bytes with an owner: whoever receives them calls `free` with `owner`, once, unless `free` is null. */
typedef struct {
    const uint8_t *data;
    size_t len;
    void *owner;
    void (*free)(void *owner);
} jackfield_bytes;

/* A text or a vector of bytes: of an argument it is the view, which lasts as long as the call; of a result it is the
 * owned bytes. */
typedef union {
    jackfield_view view;
    jackfield_bytes owned;
} jackfield_sequence;

/* What a method returns: a status and, with JACKFIELD_OK, the result. */
#define JACKFIELD_RETURN(name, type) \
    typedef struct { \
        uint32_t status; \
        type value; \
    } name
JACKFIELD_RETURN(jackfield_return_unit, uint8_t);
JACKFIELD_RETURN(jackfield_return_bool, uint8_t);
JACKFIELD_RETURN(jackfield_return_i8, int8_t);
JACKFIELD_RETURN(jackfield_return_i16, int16_t);
JACKFIELD_RETURN(jackfield_return_i32, int32_t);
JACKFIELD_RETURN(jackfield_return_i64, int64_t);
JACKFIELD_RETURN(jackfield_return_u8, uint8_t);
JACKFIELD_RETURN(jackfield_return_u16, uint16_t);
JACKFIELD_RETURN(jackfield_return_u32, uint32_t);
JACKFIELD_RETURN(jackfield_return_u64, uint64_t);
JACKFIELD_RETURN(jackfield_return_f32, float);
JACKFIELD_RETURN(jackfield_return_f64, double);
JACKFIELD_RETURN(jackfield_return_bytes, jackfield_bytes);
JACKFIELD_RETURN(jackfield_return_sequence, jackfield_sequence);
JACKFIELD_RETURN(jackfield_return_object, void *);

/* The host's waker, and a future that has yet to answer. A plugin whose methods answer at once needs neither. */
typedef struct {
    const void *(*keep)(const void *waker);
    void (*wake_lent)(const void *waker);
    void (*wake_kept)(const void *waker);
    void (*release)(const void *waker);
} jackfield_waker_functions;

typedef struct {
    const void *waker;
    const jackfield_waker_functions *functions;
} jackfield_waker;

typedef struct {
    void *state;
    void (*poll)(void); /* return (void *state, jackfield_waker, jackfield_bytes *refusal), with the method's return */
    void (*drop)(void *state);
} jackfield_future;

/* The options of a call: nanoseconds until its deadline, or UINT64_MAX, and pairs of key and value. */
typedef struct {
    size_t size;
    uint64_t remaining;
    const jackfield_view (*metadata)[2];
    size_t count;
} jackfield_options;

/* A function whose type stands elsewhere. */
typedef void (*jackfield_function)(void);

/* A method: `direct` is called where the host has this signature, `encoded` with a protobuf message where it has not. */
typedef struct {
    jackfield_text name;
    uint64_t signature;
    uint32_t mode; /* 0 blocks, 1 is asynchronous. */
    uint32_t types; /* What its arguments and result are; 0 does not say. */
    jackfield_function direct;
    jackfield_function encoded;
} jackfield_method;

typedef struct {
    const jackfield_method *data;
    size_t len;
} jackfield_methods;

/* The methods of an interface, what ends an object, and what sets the options of a call on this thread. */
typedef struct {
    jackfield_text service;
    jackfield_methods methods;
    void (*drop)(void *object);
    const jackfield_options *(*scope)(const jackfield_options *options);
} jackfield_table;

/* An object of another interface, and a stream: see `jackfield_parcel`. */
typedef struct {
    void *data;
    jackfield_table table;
} jackfield_object;

/* An object that the host offers under a name. */
typedef struct {
    jackfield_view name;
    jackfield_object object;
} jackfield_offer;

/*
 * What a constructor is given: the name under which the host loads the plugin, pairs of key and value, and objects of
 * the host's. Each object is the plugin's from now on: one that it does not want ends by `table.drop(data)`.
 */
typedef struct {
    size_t size;
    jackfield_view plugin;
    const jackfield_view (*config)[2];
    size_t count;
    const jackfield_offer *objects;
    size_t object_count;
} jackfield_context;

typedef struct {
    void *state;
    jackfield_return_bytes (*next)(void *state, jackfield_waker waker, jackfield_bytes *refusal);
    void (*drop)(void *state);
} jackfield_stream;

typedef struct {
    uint32_t field;
    uint32_t kind; /* 1 is an object, 2 a stream. */
    union {
        jackfield_object object;
        jackfield_stream stream;
    } content;
} jackfield_part;

/* An encoded message with what cannot be encoded. */
typedef struct {
    jackfield_bytes bytes;
    const jackfield_part *parts;
    size_t len;
    void (*free)(void *parts, size_t len);
} jackfield_parcel;
JACKFIELD_RETURN(jackfield_return_parcel, jackfield_parcel);

/* An interface of a plugin, and its constructor. */
typedef struct {
    jackfield_table table;
    jackfield_return_object (*create)(const jackfield_context *context, jackfield_bytes *refusal);
} jackfield_export;

typedef struct {
    const jackfield_export *data;
    size_t len;
} jackfield_exports;

/* What a host does for a library. */
typedef struct {
    size_t size;
    const void *host;
    jackfield_function log;
    uint32_t (*max_level)(const void *host);
    uint32_t (*thread)(const void *host);
} jackfield_host;

/* A function or a variable under a name, with the text of its type as Rust has it, such as `fn(i64, i64) -> i64`.
 *
 * A function takes `data`, its arguments, and a place for a refusal. What is a text or bytes is handed over in both
 * directions, as `jackfield_bytes`. Of a variable the functions get, set and update it. */
typedef struct {
    jackfield_text name;
    jackfield_text type;
    uint32_t kind; /* 0 is a function, 1 a variable. */
    uint32_t reserved;
    const void *data;
    jackfield_function functions[3];
} jackfield_symbol;

typedef struct {
    const jackfield_symbol *data;
    size_t len;
} jackfield_symbols;

/* What a plugin exports under the symbol that its note names. */
typedef struct jackfield_entry {
    char magic[8];
    uint32_t abi;
    uint32_t size;
    jackfield_view note;
    jackfield_exports exports;
    void (*attach)(const struct jackfield_entry *entry, const jackfield_host *host);
    void (*detach)(const struct jackfield_entry *entry);
    jackfield_function doors[2];
    jackfield_symbols symbols;
    jackfield_function init;
} jackfield_entry;

/* A constant text. */
#define JACKFIELD_TEXT(literal) { literal, sizeof(literal) - 1 }

/* The first fields of an entry. Its magic has no zero at its end. */
#define JACKFIELD_ENTRY_START \
    { 'J', 'A', 'C', 'K', 'F', 'L', 'D', '\n' }, JACKFIELD_ABI_VERSION, sizeof(jackfield_entry)

/* A copy of bytes, which the receiver frees. Without memory, or without bytes, it is empty. */
JACKFIELD_HELPER jackfield_bytes jackfield_copy(const void *data, size_t len) {
    jackfield_bytes bytes = { (const uint8_t *)"", 0, NULL, NULL };
    void *copy = len == 0 ? NULL : malloc(len);
    if (copy != NULL) {
        memcpy(copy, data, len);
        bytes.data = (const uint8_t *)copy;
        bytes.len = len;
        bytes.owner = copy;
        bytes.free = free;
    }
    return bytes;
}

/* Gives bytes back to their owner. */
JACKFIELD_HELPER void jackfield_release(jackfield_bytes bytes) {
    if (bytes.free != NULL) {
        bytes.free(bytes.owner);
    }
}

/* A text or a vector as a result: a copy. */
JACKFIELD_HELPER jackfield_sequence jackfield_sequence_copy(const void *data, size_t len) {
    jackfield_sequence sequence;
    sequence.owned = jackfield_copy(data, len);
    return sequence;
}

/* The method's own error, with a code of gRPC (5 is `NotFound`, 2 is `Unknown`): write it as `return` value's status. */
JACKFIELD_HELPER uint32_t jackfield_fail(jackfield_bytes *refusal, uint32_t code, const char *message) {
    /* The message google.rpc.Status: field 1 is the code, field 2 the text. */
    size_t text = strlen(message), at = 0;
    uint8_t *status = (uint8_t *)malloc(text + 24);
    *refusal = jackfield_copy(NULL, 0);
    if (status != NULL) {
        uint64_t numbers[2] = { code, text };
        for (int field = 0; field < 2; field++) {
            status[at++] = field == 0 ? 0x08 : 0x12;
            for (uint64_t rest = numbers[field]; ; rest >>= 7) {
                status[at++] = (uint8_t)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
                if (rest < 0x80) {
                    break;
                }
            }
        }
        memcpy(status + at, message, text);
        refusal->data = status;
        refusal->len = at + text;
        refusal->owner = status;
        refusal->free = free;
    }
    return JACKFIELD_FAULT;
}

/* The value that the host configured for a key; its data is null where there is none. */
JACKFIELD_HELPER jackfield_view jackfield_config(const jackfield_context *context, const char *key) {
    jackfield_view none = { NULL, 0 };
    for (size_t index = 0; index < context->count; index++) {
        jackfield_view name = context->config[index][0];
        if (name.len == strlen(key) && memcmp(name.data, key, name.len) == 0) {
            return context->config[index][1];
        }
    }
    return none;
}

/* The symbol of this name and type, or null. */
JACKFIELD_HELPER const jackfield_symbol *jackfield_find(const jackfield_entry *entry, const char *name, const char *type) {
    for (size_t index = 0; index < entry->symbols.len; index++) {
        const jackfield_symbol *symbol = &entry->symbols.data[index];
        if (symbol->name.len == strlen(name) && memcmp(symbol->name.data, name, symbol->name.len) == 0) {
            int is_same = symbol->type.len == strlen(type) && memcmp(symbol->type.data, type, symbol->type.len) == 0;
            return is_same ? symbol : NULL;
        }
    }
    return NULL;
}

/* What a plugin in C leaves out: nothing is done at either end of its life, and options are not looked at. */
JACKFIELD_HELPER void jackfield_attach_nothing(const jackfield_entry *entry, const jackfield_host *host) {
    (void)entry;
    (void)host;
}

JACKFIELD_HELPER void jackfield_detach_nothing(const jackfield_entry *entry) {
    (void)entry;
}

JACKFIELD_HELPER const jackfield_options *jackfield_scope_nothing(const jackfield_options *options) {
    (void)options;
    return NULL;
}

/* A host whose types differ calls with a message, which a plugin in C does not read. */
JACKFIELD_HELPER jackfield_return_parcel jackfield_not_encoded(
    const void *object, jackfield_parcel request, jackfield_bytes *refusal) {
    static const char text[] = "a plugin in C reads no encoded message: make its header anew with the host's interface";
    jackfield_return_parcel answer;
    (void)object;
    memset(&answer, 0, sizeof answer);
    jackfield_release(request.bytes);
    for (size_t index = 0; index < request.len; index++) {
        const jackfield_part *part = &request.parts[index];
        if (part->kind == 1) {
            part->content.object.table.drop(part->content.object.data);
        } else if (part->kind == 2) {
            part->content.stream.drop(part->content.stream.state);
        }
    }
    request.free((void *)(uintptr_t)request.parts, request.len);
    *refusal = jackfield_copy(text, sizeof text - 1);
    answer.status = JACKFIELD_MALFORMED;
    return answer;
}

JACKFIELD_HELPER jackfield_return_parcel jackfield_not_encoded_async(
    const void *object, jackfield_parcel request, jackfield_waker waker, jackfield_bytes *refusal,
    jackfield_future *future) {
    (void)waker;
    (void)future;
    return jackfield_not_encoded(object, request, refusal);
}

/* Made by `cargo xtask header`. */
#define JACKFIELD_ABI_VERSION 2u
#if UINTPTR_MAX == UINT64_MAX
JACKFIELD_ASSERT(sizeof(jackfield_text) == 16, "jackfield_text has moved");
JACKFIELD_ASSERT(sizeof(jackfield_view) == 16, "jackfield_view has moved");
JACKFIELD_ASSERT(offsetof(jackfield_view, data) == 0, "jackfield_view.data has moved");
JACKFIELD_ASSERT(offsetof(jackfield_view, len) == 8, "jackfield_view.len has moved");
JACKFIELD_ASSERT(sizeof(jackfield_bytes) == 32, "jackfield_bytes has moved");
JACKFIELD_ASSERT(offsetof(jackfield_bytes, data) == 0, "jackfield_bytes.data has moved");
JACKFIELD_ASSERT(offsetof(jackfield_bytes, len) == 8, "jackfield_bytes.len has moved");
JACKFIELD_ASSERT(offsetof(jackfield_bytes, owner) == 16, "jackfield_bytes.owner has moved");
JACKFIELD_ASSERT(offsetof(jackfield_bytes, free) == 24, "jackfield_bytes.free has moved");
JACKFIELD_ASSERT(sizeof(jackfield_return_u8) == 8, "jackfield_return_u8 has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u8, status) == 0, "jackfield_return_u8.status has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u8, value) == 4, "jackfield_return_u8.value has moved");
JACKFIELD_ASSERT(sizeof(jackfield_return_u64) == 16, "jackfield_return_u64 has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u64, status) == 0, "jackfield_return_u64.status has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u64, value) == 8, "jackfield_return_u64.value has moved");
JACKFIELD_ASSERT(sizeof(jackfield_return_bytes) == 40, "jackfield_return_bytes has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_bytes, status) == 0, "jackfield_return_bytes.status has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_bytes, value) == 8, "jackfield_return_bytes.value has moved");
JACKFIELD_ASSERT(sizeof(jackfield_waker) == 16, "jackfield_waker has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker, waker) == 0, "jackfield_waker.waker has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker, functions) == 8, "jackfield_waker.functions has moved");
JACKFIELD_ASSERT(sizeof(jackfield_waker_functions) == 32, "jackfield_waker_functions has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker_functions, keep) == 0, "jackfield_waker_functions.keep has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker_functions, wake_lent) == 8, "jackfield_waker_functions.wake_lent has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker_functions, wake_kept) == 16, "jackfield_waker_functions.wake_kept has moved");
JACKFIELD_ASSERT(offsetof(jackfield_waker_functions, release) == 24, "jackfield_waker_functions.release has moved");
JACKFIELD_ASSERT(sizeof(jackfield_future) == 24, "jackfield_future has moved");
JACKFIELD_ASSERT(offsetof(jackfield_future, state) == 0, "jackfield_future.state has moved");
JACKFIELD_ASSERT(offsetof(jackfield_future, poll) == 8, "jackfield_future.poll has moved");
JACKFIELD_ASSERT(offsetof(jackfield_future, drop) == 16, "jackfield_future.drop has moved");
JACKFIELD_ASSERT(sizeof(jackfield_context) == 56, "jackfield_context has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, size) == 0, "jackfield_context.size has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, plugin) == 8, "jackfield_context.plugin has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, config) == 24, "jackfield_context.config has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, count) == 32, "jackfield_context.count has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, objects) == 40, "jackfield_context.objects has moved");
JACKFIELD_ASSERT(offsetof(jackfield_context, object_count) == 48, "jackfield_context.object_count has moved");
JACKFIELD_ASSERT(sizeof(jackfield_offer) == 72, "jackfield_offer has moved");
JACKFIELD_ASSERT(offsetof(jackfield_offer, name) == 0, "jackfield_offer.name has moved");
JACKFIELD_ASSERT(offsetof(jackfield_offer, object) == 16, "jackfield_offer.object has moved");
JACKFIELD_ASSERT(sizeof(jackfield_options) == 32, "jackfield_options has moved");
JACKFIELD_ASSERT(offsetof(jackfield_options, size) == 0, "jackfield_options.size has moved");
JACKFIELD_ASSERT(offsetof(jackfield_options, remaining) == 8, "jackfield_options.remaining has moved");
JACKFIELD_ASSERT(offsetof(jackfield_options, metadata) == 16, "jackfield_options.metadata has moved");
JACKFIELD_ASSERT(offsetof(jackfield_options, count) == 24, "jackfield_options.count has moved");
JACKFIELD_ASSERT(sizeof(jackfield_stream) == 24, "jackfield_stream has moved");
JACKFIELD_ASSERT(offsetof(jackfield_stream, state) == 0, "jackfield_stream.state has moved");
JACKFIELD_ASSERT(offsetof(jackfield_stream, next) == 8, "jackfield_stream.next has moved");
JACKFIELD_ASSERT(offsetof(jackfield_stream, drop) == 16, "jackfield_stream.drop has moved");
JACKFIELD_ASSERT(sizeof(jackfield_object) == 56, "jackfield_object has moved");
JACKFIELD_ASSERT(offsetof(jackfield_object, data) == 0, "jackfield_object.data has moved");
JACKFIELD_ASSERT(offsetof(jackfield_object, table) == 8, "jackfield_object.table has moved");
JACKFIELD_ASSERT(sizeof(jackfield_part) == 64, "jackfield_part has moved");
JACKFIELD_ASSERT(offsetof(jackfield_part, field) == 0, "jackfield_part.field has moved");
JACKFIELD_ASSERT(offsetof(jackfield_part, kind) == 4, "jackfield_part.kind has moved");
JACKFIELD_ASSERT(offsetof(jackfield_part, content) == 8, "jackfield_part.content has moved");
JACKFIELD_ASSERT(sizeof(jackfield_parcel) == 56, "jackfield_parcel has moved");
JACKFIELD_ASSERT(offsetof(jackfield_parcel, bytes) == 0, "jackfield_parcel.bytes has moved");
JACKFIELD_ASSERT(offsetof(jackfield_parcel, parts) == 32, "jackfield_parcel.parts has moved");
JACKFIELD_ASSERT(offsetof(jackfield_parcel, len) == 40, "jackfield_parcel.len has moved");
JACKFIELD_ASSERT(offsetof(jackfield_parcel, free) == 48, "jackfield_parcel.free has moved");
JACKFIELD_ASSERT(sizeof(jackfield_method) == 48, "jackfield_method has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, name) == 0, "jackfield_method.name has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, signature) == 16, "jackfield_method.signature has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, mode) == 24, "jackfield_method.mode has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, types) == 28, "jackfield_method.types has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, direct) == 32, "jackfield_method.direct has moved");
JACKFIELD_ASSERT(offsetof(jackfield_method, encoded) == 40, "jackfield_method.encoded has moved");
JACKFIELD_ASSERT(sizeof(jackfield_table) == 48, "jackfield_table has moved");
JACKFIELD_ASSERT(offsetof(jackfield_table, service) == 0, "jackfield_table.service has moved");
JACKFIELD_ASSERT(offsetof(jackfield_table, methods) == 16, "jackfield_table.methods has moved");
JACKFIELD_ASSERT(offsetof(jackfield_table, drop) == 32, "jackfield_table.drop has moved");
JACKFIELD_ASSERT(offsetof(jackfield_table, scope) == 40, "jackfield_table.scope has moved");
JACKFIELD_ASSERT(sizeof(jackfield_export) == 56, "jackfield_export has moved");
JACKFIELD_ASSERT(offsetof(jackfield_export, table) == 0, "jackfield_export.table has moved");
JACKFIELD_ASSERT(offsetof(jackfield_export, create) == 48, "jackfield_export.create has moved");
JACKFIELD_ASSERT(sizeof(jackfield_entry) == 104, "jackfield_entry has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, magic) == 0, "jackfield_entry.magic has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, abi) == 8, "jackfield_entry.abi has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, size) == 12, "jackfield_entry.size has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, note) == 16, "jackfield_entry.note has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, exports) == 32, "jackfield_entry.exports has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, attach) == 48, "jackfield_entry.attach has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, detach) == 56, "jackfield_entry.detach has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, doors) == 64, "jackfield_entry.doors has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, symbols) == 80, "jackfield_entry.symbols has moved");
JACKFIELD_ASSERT(offsetof(jackfield_entry, init) == 96, "jackfield_entry.init has moved");
JACKFIELD_ASSERT(sizeof(jackfield_host) == 40, "jackfield_host has moved");
JACKFIELD_ASSERT(offsetof(jackfield_host, size) == 0, "jackfield_host.size has moved");
JACKFIELD_ASSERT(offsetof(jackfield_host, host) == 8, "jackfield_host.host has moved");
JACKFIELD_ASSERT(offsetof(jackfield_host, log) == 16, "jackfield_host.log has moved");
JACKFIELD_ASSERT(offsetof(jackfield_host, max_level) == 24, "jackfield_host.max_level has moved");
JACKFIELD_ASSERT(offsetof(jackfield_host, thread) == 32, "jackfield_host.thread has moved");
JACKFIELD_ASSERT(sizeof(jackfield_symbol) == 72, "jackfield_symbol has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, name) == 0, "jackfield_symbol.name has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, type) == 16, "jackfield_symbol.type has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, kind) == 32, "jackfield_symbol.kind has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, reserved) == 36, "jackfield_symbol.reserved has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, data) == 40, "jackfield_symbol.data has moved");
JACKFIELD_ASSERT(offsetof(jackfield_symbol, functions) == 48, "jackfield_symbol.functions has moved");
JACKFIELD_ASSERT(sizeof(jackfield_return_u64) == 16, "jackfield_return_u64 has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u64, status) == 0, "jackfield_return_u64.status has moved");
JACKFIELD_ASSERT(offsetof(jackfield_return_u64, value) == 8, "jackfield_return_u64.value has moved");
#endif
/* End of what is made. */

/* Whether this is the entry of a plugin whose layout this header describes. */
JACKFIELD_HELPER int jackfield_is_known(const jackfield_entry *entry) {
    return memcmp(entry->magic, "JACKFLD\n", 8) == 0 && entry->abi == JACKFIELD_ABI_VERSION
        && entry->size >= sizeof(jackfield_entry);
}

#endif
