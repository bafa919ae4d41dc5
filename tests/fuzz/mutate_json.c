/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define ELEMENTS_MAX 600u /* of an array that grows */

/* A place in the tree: a member of an object or an element of an array. */
struct place {
	json_t *parent;
	const char *key; /* NULL: index */
	size_t index;
};

static json_t *place_get(const struct place *place)
{
	return place->key != NULL ? json_object_get(place->parent, place->key)
				  : json_array_get(place->parent, place->index);
}

/* Takes value. */
static void place_set(const struct place *place, json_t *value)
{
	if (place->key != NULL) {
		json_object_set_new(place->parent, place->key, value);
	} else {
		json_array_set_new(place->parent, place->index, value);
	}
}

/* A random child of container; false when it has none. */
static bool place_choose(struct mutate *mutate, json_t *container, struct place *ret_place)
{
	size_t size = json_is_object(container) ? json_object_size(container)
						: json_array_size(container);
	size_t index = mutate_below(mutate, size);
	void *member;

	if (size == 0) {
		return false;
	}
	*ret_place = (struct place){.parent = container, .index = index};
	if (json_is_object(container)) {
		member = json_object_iter(container);
		while (index-- > 0) {
			member = json_object_iter_next(container, member);
		}
		ret_place->key = json_object_iter_key(member);
	}
	return true;
}

/* Down from root, mostly to where there are no more children. */
static bool place_find(struct mutate *mutate, json_t *root, struct place *ret_place)
{
	struct place place, next;

	if (!place_choose(mutate, root, &place)) {
		return false;
	}
	while (!mutate_once_in(mutate, 6) && place_choose(mutate, place_get(&place), &next)) {
		place = next;
	}
	*ret_place = place;
	return true;
}

/* jansson refuses text that is not UTF-8. */
static json_t *text_new(struct mutate *mutate, const char *old)
{
	char *text = mutate_text(mutate, old);
	json_t *value = json_string(text);

	if (value == NULL) {
		value = json_string("");
	}
	free(text);
	return value;
}

static json_t *value_of_any_type(struct mutate *mutate)
{
	switch (mutate_below(mutate, 7)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(mutate_below(mutate, 2));
	case 2:
		return json_real((double)mutate_number(mutate, 0) / 3);
	case 3:
		return json_object();
	case 4:
		return json_array();
	case 5:
		return json_integer((json_int_t)mutate_number(mutate, 0));
	default:
		return json_string(mutate_once_in(mutate, 2) ? "" : "gen-1/vda-1.qcow2");
	}
}

static void value_change(struct mutate *mutate, const struct place *place)
{
	json_t *old = place_get(place);

	if (mutate_once_in(mutate, 12)) {
		place_set(place, value_of_any_type(mutate));
	} else if (json_is_integer(old)) {
		place_set(place, json_integer((json_int_t)mutate_number(
					 mutate, (uint64_t)json_integer_value(old))));
	} else if (json_is_string(old)) {
		place_set(place, text_new(mutate, json_string_value(old)));
	} else if (json_is_boolean(old)) {
		place_set(place, json_boolean(!json_boolean_value(old)));
	} else {
		place_set(place, value_of_any_type(mutate));
	}
}

static void place_remove(const struct place *place)
{
	if (place->key != NULL) {
		json_object_del(place->parent, place->key);
	} else {
		json_array_remove(place->parent, place->index);
	}
}

/* Once more beside itself: a member under another name. */
static void place_double(struct mutate *mutate, const struct place *place)
{
	size_t times = mutate_once_in(mutate, 10) ? 260 : 1;

	if (place->key != NULL) {
		json_object_set_new(place->parent, mutate_once_in(mutate, 2) ? "extra" : "",
				    json_deep_copy(place_get(place)));
		return;
	}
	while (times-- > 0 && json_array_size(place->parent) < ELEMENTS_MAX) {
		json_array_insert_new(place->parent, place->index,
				      json_deep_copy(place_get(place)));
	}
}

static void tree_change(struct mutate *mutate, json_t *root)
{
	struct place place, other;

	if (!place_find(mutate, root, &place)) {
		return;
	}
	switch (mutate_below(mutate, 8)) {
	case 0:
		place_remove(&place);
		break;
	case 1:
		place_double(mutate, &place);
		break;
	case 2: /* as another one is */
		if (place_find(mutate, root, &other)) {
			place_set(&place, json_deep_copy(place_get(&other)));
		}
		break;
	default:
		value_change(mutate, &place);
		break;
	}
}

size_t mutate_json(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size)
{
	json_t *root = mutate_once_in(mutate, 10)
			       ? NULL
			       : json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	char *text;

	if (root == NULL) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	for (size_t i = 1 + mutate_below(mutate, 3); i > 0; i--) {
		tree_change(mutate, root);
	}
	text = json_dumps(root, JSON_INDENT(1));
	if (text != NULL && strlen(text) <= max_size) {
		size = strlen(text);
		memcpy(data, text, size);
	}
	free(text);
	json_decref(root);
	return size;
}
