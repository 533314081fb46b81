%% @private
%% @doc Who owns the buffers and channels of a link.
%%
%% The state is the process dictionary of the link, as in {@link
%% pyport_callers}, which monitors the owners: `{owner, Kind, Pid}' is the set
%% of the numbers of a process, `{objects, Kind}' the last number and the
%% count.
-module(pyport_owners).

-export([next/2, add/3, remove/3, give/4, owned/2, last/1, forget_all/1]).

-type object_number() :: pos_integer().

%% @doc The number of the next object, unless there are too many.
-spec next(pyport_object:kind(), Max :: pos_integer()) ->
          {ok, object_number()} | {error, {overloaded, pos_integer(),
                                           pos_integer()}}.
next(Kind, Max) ->
    case counts(Kind) of
        {_, Count} when Count >= Max -> {error, {overloaded, Count, Max}};
        {Last, _} -> {ok, Last + 1}
    end.

%% @doc The last number that was given.
-spec last(pyport_object:kind()) -> non_neg_integer().
last(Kind) -> element(1, counts(Kind)).

-spec counts(pyport_object:kind()) ->
          {Last :: non_neg_integer(), Count :: non_neg_integer()}.
counts(Kind) ->
    case get({objects, Kind}) of
        undefined -> {0, 0};
        Counts -> Counts
    end.

%% @doc A new object, with the number that was next.
-spec add(pyport_object:kind(), pid(), object_number()) -> ok.
add(Kind, Owner, Number) ->
    {_, Count} = counts(Kind),
    _ = put({objects, Kind}, {Number, Count + 1}),
    own(Kind, Owner, Number).

-spec own(pyport_object:kind(), pid(), object_number()) -> ok.
own(Kind, Owner, Number) ->
    ok = pyport_callers:meet(Owner),
    Owned = case get({owner, Kind, Owner}) of
                undefined -> #{};
                Map -> Map
            end,
    _ = put({owner, Kind, Owner}, Owned#{Number => []}),
    ok.

%% @doc An object is no more.
-spec remove(pyport_object:kind(), pid(), object_number()) -> ok.
remove(Kind, Owner, Number) ->
    {Last, Count} = counts(Kind),
    _ = put({objects, Kind}, {Last, Count - 1}),
    disown(Kind, Owner, Number).

-spec disown(pyport_object:kind(), pid(), object_number()) -> ok.
disown(Kind, Owner, Number) ->
    Name = {owner, Kind, Owner},
    _ = case get(Name) of
            #{Number := _} = Owned when map_size(Owned) =:= 1 -> erase(Name);
            #{Number := _} = Owned -> put(Name, maps:remove(Number, Owned));
            _ -> ok
        end,
    ok.

%% @doc Another process owns it from now on.
-spec give(pyport_object:kind(), pid(), pid(), object_number()) -> ok.
give(Kind, Owner, New, Number) ->
    ok = disown(Kind, Owner, Number),
    own(Kind, New, Number).

%% @doc What a process owns.
-spec owned(pyport_object:kind(), pid()) -> [object_number()].
owned(Kind, Owner) ->
    case get({owner, Kind, Owner}) of
        undefined -> [];
        Map -> maps:keys(Map)
    end.

%% @doc There are none any more; numbers are not used again.
-spec forget_all(pyport_object:kind()) -> ok.
forget_all(Kind) ->
    _ = put({objects, Kind}, {last(Kind), 0}),
    _ = [erase(Name) || {owner, K, _} = Name <- get_keys(), K =:= Kind],
    ok.
