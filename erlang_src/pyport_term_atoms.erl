%% @private
%% @doc Finds the atoms in a term that this node does not know.
%%
%% A walk over the external term format that makes nothing. It accepts what
%% `docs/protocol.md' lets the program send and answers `error' for all
%% else; the caller decodes afterwards with `[safe]', so that a mistake here
%% costs an error and never an atom.
-module(pyport_term_atoms).

-export([unknown/1, is_atom_name/1]).

-define(ATOM_CHARS_MAX, 255).

%% @doc The distinct names of unknown atoms, as UTF-8.
-spec unknown(binary()) -> {ok, [binary()]} | error.
unknown(<<131, Bytes/binary>>) ->
    try walk(1, Bytes, #{}) of
        {Names, _Rest} -> {ok, maps:keys(Names)}
    catch
        error:{badmatch, _} -> error;
        error:function_clause -> error
    end;
unknown(_) ->
    error.

%% @doc Whether a binary can be made an atom.
-spec is_atom_name(binary()) -> boolean().
is_atom_name(Name) ->
    case unicode:characters_to_list(Name) of
        Points when is_list(Points) -> length(Points) =< ?ATOM_CHARS_MAX;
        _ -> false
    end.

%% `Left' counts the terms still to come: the nesting of the term needs no
%% stack, because nothing here cares where a container ends.
-spec walk(non_neg_integer(), binary(), Names) -> {Names, binary()}
              when Names :: #{binary() => []}.
walk(0, Rest, Names) ->
    {Names, Rest};
walk(Left, <<97, _, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<98, _:4/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<70, _:8/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<99, _:31/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<110, Size, _, _:Size/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<111, Size:32, _, _:Size/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<109, Size:32, _:Size/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<77, Size:32, _, _:Size/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<107, Size:16, _:Size/binary, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<106, Rest/binary>>, Names) ->
    walk(Left - 1, Rest, Names);
walk(Left, <<104, Arity, Rest/binary>>, Names) ->
    walk(Left - 1 + Arity, Rest, Names);
walk(Left, <<105, Arity:32, Rest/binary>>, Names) ->
    walk(Left - 1 + Arity, Rest, Names);
walk(Left, <<108, Length:32, Rest/binary>>, Names) ->
    walk(Left + Length, Rest, Names);
walk(Left, <<116, Pairs:32, Rest/binary>>, Names) ->
    walk(Left - 1 + 2 * Pairs, Rest, Names);
walk(Left, <<Tag, Rest/binary>>, Names)
  when Tag =:= 100; Tag =:= 115; Tag =:= 118; Tag =:= 119 ->
    {Name, After} = atom_name(Tag, Rest),
    walk(Left - 1, After, note(Name, Names));
walk(Left, <<Tag, Rest/binary>>, Names) ->
    walk_identifier(Tag, Left, Rest, Names).

%% Pids, ports, references and funs: a node's name and numbers after it.
-spec walk_identifier(byte(), pos_integer(), binary(), Names) ->
          {Names, binary()} when Names :: #{binary() => []}.
walk_identifier(103, Left, Bytes, Names) ->
    node_and(9, Left, Bytes, Names);
walk_identifier(88, Left, Bytes, Names) ->
    node_and(12, Left, Bytes, Names);
walk_identifier(102, Left, Bytes, Names) ->
    node_and(5, Left, Bytes, Names);
walk_identifier(89, Left, Bytes, Names) ->
    node_and(8, Left, Bytes, Names);
walk_identifier(120, Left, Bytes, Names) ->
    node_and(12, Left, Bytes, Names);
walk_identifier(114, Left, <<Words:16, Bytes/binary>>, Names) ->
    node_and(1 + 4 * Words, Left, Bytes, Names);
walk_identifier(90, Left, <<Words:16, Bytes/binary>>, Names) ->
    node_and(4 + 4 * Words, Left, Bytes, Names);
walk_identifier(112, Left, <<Size:32, Bytes/binary>>, Names) when Size >= 29 ->
    %% a fun: uniq and index, module, two integers, creator, free variables
    <<_:21/binary, Free:32, Rest/binary>> = Bytes,
    walk(Left - 1 + 4 + Free, Rest, Names);
walk_identifier(113, Left, Bytes, Names) ->
    walk(Left - 1 + 3, Bytes, Names).

-spec node_and(pos_integer(), pos_integer(), binary(), Names) ->
          {Names, binary()} when Names :: #{binary() => []}.
node_and(Size, Left, Bytes, Names) ->
    {More, Rest} = walk(1, Bytes, Names),
    <<_:Size/binary, After/binary>> = Rest,
    walk(Left - 1, After, More).

-spec atom_name(100 | 115 | 118 | 119, nonempty_binary()) ->
          {binary(), binary()}.
atom_name(100, <<Size:16, Name:Size/binary, Rest/binary>>) ->
    {from_latin1(Name), Rest};
atom_name(115, <<Size, Name:Size/binary, Rest/binary>>) ->
    {from_latin1(Name), Rest};
atom_name(118, <<Size:16, Name:Size/binary, Rest/binary>>) ->
    {Name, Rest};
atom_name(119, <<Size, Name:Size/binary, Rest/binary>>) ->
    {Name, Rest}.

-spec from_latin1(binary()) -> binary().
from_latin1(Name) ->
    <<_/binary>> = unicode:characters_to_binary(Name, latin1, utf8).

-spec note(binary(), Names) -> Names when Names :: #{binary() => []}.
note(Name, Names) when is_map_key(Name, Names) ->
    Names;
note(Name, Names) ->
    true = is_atom_name(Name),
    try binary_to_existing_atom(Name, utf8) of
        _ -> Names
    catch
        error:badarg -> Names#{Name => []}
    end.
