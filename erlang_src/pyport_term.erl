%% @private
%% @doc Safe decoding of what the program sends.
%%
%% Terms are decoded with `[safe]'. A term with an atom that this node does
%% not know takes a slower path: the atoms are counted against a budget of
%% the whole node (`atoms_max'), made, and the term is decoded with `[safe]'
%% again. Compressed terms are refused: the program sends none.
-module(pyport_term).

-export([init/1, decode/1, class_name/1, exception_to_error/1]).
-export([atoms_made/0]).

-export_type([reason/0, exception/0, details/0]).

-define(BUDGET, {?MODULE, atoms}).
-define(ATOMS_MAX_DEFAULT, 10000).

-type details() :: #{type := term(), message := term(), _ => _}.
-type exception() :: interrupted | {atom() | binary(), term()} | details().
-type reason() :: bad_term | {too_many_atoms, Max :: non_neg_integer()}.

%% @doc Sets how many atoms answers may create in the life of this node.
%% What was made before counts.
-spec init(non_neg_integer()) -> ok.
init(AtomsMax) ->
    Counter = case persistent_term:get(?BUDGET, undefined) of
                  undefined -> atomics:new(1, [{signed, true}]);
                  {Known, _} -> Known
              end,
    persistent_term:put(?BUDGET, {Counter, AtomsMax}).

%% @doc How many atoms were created by answers so far.
-spec atoms_made() -> non_neg_integer().
atoms_made() ->
    {Counter, _} = budget(),
    atomics:get(Counter, 1).

%% @doc Decodes one term.
-spec decode(binary()) -> {ok, term()} | {error, reason()}.
decode(<<131, 80, _/binary>>) ->
    {error, bad_term};
decode(Bytes) ->
    try
        {ok, binary_to_term(Bytes, [safe])}
    catch
        error:badarg -> decode_slow(Bytes)
    end.

-spec decode_slow(binary()) -> {ok, term()} | {error, reason()}.
decode_slow(Bytes) ->
    case pyport_term_atoms:unknown(Bytes) of
        {ok, Names} ->
            case make_atoms(Names) of
                ok -> decode_again(Bytes);
                {error, _} = Error -> Error
            end;
        error ->
            {error, bad_term}
    end.

-spec decode_again(binary()) -> {ok, term()} | {error, bad_term}.
decode_again(Bytes) ->
    try
        {ok, binary_to_term(Bytes, [safe])}
    catch
        error:badarg -> {error, bad_term}
    end.

-spec make_atoms([binary()]) ->
          ok | {error, {too_many_atoms, non_neg_integer()}}.
make_atoms(Names) ->
    {Counter, Max} = budget(),
    Count = length(Names),
    case atomics:add_get(Counter, 1, Count) of
        Total when Total =< Max ->
            _ = [binary_to_atom(Name, utf8) || Name <- Names],
            ok;
        _ ->
            ok = atomics:sub(Counter, 1, Count),
            {error, {too_many_atoms, Max}}
    end.

-spec budget() -> {atomics:atomics_ref(), non_neg_integer()}.
budget() ->
    case persistent_term:get(?BUDGET, undefined) of
        undefined ->
            ok = init(?ATOMS_MAX_DEFAULT),
            persistent_term:get(?BUDGET);
        Budget ->
            Budget
    end.

%% @doc The name of an exception class: an atom that exists or that the
%% budget allows, else the binary.
-spec class_name(binary()) -> atom() | binary().
class_name(Name) ->
    try
        binary_to_existing_atom(Name, utf8)
    catch
        error:badarg -> new_class_name(Name);
        error:system_limit -> Name
    end.

-spec new_class_name(binary()) -> atom() | binary().
new_class_name(Name) ->
    case pyport_term_atoms:is_atom_name(Name) andalso make_atoms([Name]) of
        ok -> binary_to_atom(Name, utf8);
        _ -> Name
    end.

%% @doc What the caller of a request that raised gets, and the traceback.
-spec exception_to_error(binary()) -> {error, exception(), binary()}.
exception_to_error(Bytes) ->
    case decode(Bytes) of
        {ok, {<<"KeyboardInterrupt">>, _, Traceback}}
          when is_binary(Traceback) ->
            {error, interrupted, Traceback};
        {ok, {<<"StopIteration">>, <<>>, Traceback}}
          when is_binary(Traceback) ->
            {error, {stop_iteration, none}, Traceback};
        {ok, {<<"StopIteration">>, Message, Traceback}}
          when is_binary(Traceback) ->
            {error, {stop_iteration, Message}, Traceback};
        {ok, {Type, Message, Traceback}}
          when is_binary(Type), is_binary(Message), is_binary(Traceback) ->
            {error, {class_name(Type), code_points(Message)}, Traceback};
        {ok, #{type := _, message := _, traceback := Traceback} = Details}
          when is_binary(Traceback) ->
            {error, detailed(Details), Traceback};
        {ok, _} ->
            {error, {bad_answer, bad_term}, <<>>};
        {error, Reason} ->
            {error, {bad_answer, Reason}, <<>>}
    end.

-spec detailed(details()) -> details().
detailed(#{type := Type, message := Message} = Details0) ->
    Details = Details0#{type := class(Type), message := code_points(Message)},
    case Details of
        #{cause := #{type := _, message := _} = Cause} ->
            Details#{cause := detailed(Cause)};
        #{} ->
            Details
    end.

-spec class(term()) -> term().
class(Name) when is_binary(Name) -> class_name(Name);
class(Other) -> Other.

-spec code_points(term()) -> term().
code_points(Text) when is_binary(Text) ->
    case unicode:characters_to_list(Text) of
        Points when is_list(Points) -> Points;
        _ -> binary_to_list(Text)
    end;
code_points(Other) ->
    Other.
