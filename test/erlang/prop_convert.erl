%% Random terms go to Python and back, and come back as docs/types.md says.
-module(prop_convert).

-export([prop_there_and_back/0, expected/1]).

%% Debian's PropEr has no header; this is what its macro does.
-define(FORALL(X, Type, Property), proper:forall(Type, fun(X) -> Property end)).

prop_there_and_back() ->
    ?FORALL(
        Term,
        term(),
        begin
            {ok, Back} = py:call(copy, copy, [Term]),
            Back =:= expected(Term)
        end
    ).

%% What a term becomes on its way there and back.
expected(Atom) when Atom =:= true; Atom =:= false -> Atom;
expected(Atom) when Atom =:= nil; Atom =:= none; Atom =:= undefined -> none;
expected(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
expected({bytes, Binary}) when is_binary(Binary) -> Binary;
expected(Tuple) when is_tuple(Tuple) ->
    list_to_tuple(expected(tuple_to_list(Tuple)));
expected([Head | Tail]) ->
    [expected(Head) | expected(Tail)];
expected(Map) when is_map(Map) ->
    maps:from_list([
        {expected(Key), expected(Value)}
     || {Key, Value} <- maps:to_list(Map)
    ]);
expected(Other) ->
    Other.

%% Internal.

term() ->
    proper_types:sized(fun(Size) -> term(Size) end).

term(Size) when Size =< 1 ->
    leaf();
term(Size) ->
    Part = fun() -> proper_types:lazy(fun() -> term(Size div 4) end) end,
    proper_types:oneof([
        leaf(),
        proper_types:list(Part()),
        proper_types:loose_tuple(Part()),
        %% Keys of one type: those that collide are an error, tested apart.
        map(proper_types:binary(), Part()),
        map(proper_types:integer(), Part())
    ]).

map(Key, Value) ->
    proper_types:bind(
        proper_types:list({Key, Value}), fun maps:from_list/1, false
    ).

leaf() ->
    proper_types:oneof([
        proper_types:integer(),
        big(),
        proper_types:float(),
        proper_types:boolean(),
        proper_types:oneof([none, nil, undefined, ok, 'é', '日本']),
        proper_types:binary(),
        {bytes, proper_types:binary()},
        self(),
        make_ref()
    ]).

%% Integers of up to 40 bytes.
big() ->
    proper_types:bind(
        {proper_types:binary(40), proper_types:oneof([1, -1])},
        fun({Bytes, Sign}) -> Sign * binary:decode_unsigned(Bytes) end,
        false
    ).
