%% @private
%% @doc Checks of settings, as functions. Pure.
-module(pyport_check).

-export([key/4, range/2, at_least/1, or_infinity/1, or_default/1, one_of/1]).

-export_type([check/0, key/0]).

-type check() :: fun((term()) -> boolean()).
-type key() :: {Key :: atom(), Default :: term(), check(),
                Accepted :: nonempty_string()}.

-spec key(atom(), term(), check(), nonempty_string()) -> key().
key(Key, Default, Check, Accepted) ->
    {Key, Default, Check, Accepted}.

-spec range(integer(), integer()) -> check().
range(Min, Max) ->
    fun(Value) -> is_integer(Value) andalso Value >= Min
                      andalso Value =< Max end.

-spec at_least(integer()) -> check().
at_least(Min) ->
    fun(Value) -> is_integer(Value) andalso Value >= Min end.

-spec or_infinity(check()) -> check().
or_infinity(Check) ->
    fun(Value) -> Value =:= infinity orelse Check(Value) end.

-spec or_default(check()) -> check().
or_default(Check) ->
    fun(Value) -> Value =:= default orelse Check(Value) end.

-spec one_of([atom()]) -> check().
one_of(Atoms) ->
    fun(Value) -> lists:member(Value, Atoms) end.
