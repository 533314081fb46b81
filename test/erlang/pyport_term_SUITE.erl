%% Safe decoding: no atom beyond the budget, nothing unchecked.
-module(pyport_term_SUITE).

-compile([export_all, nowarn_export_all]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    [a_term_of_known_atoms_is_decoded,
     a_new_atom_is_made_within_the_budget,
     atoms_beyond_the_budget_are_refused_and_not_made,
     every_kind_of_term_is_walked_for_its_atoms,
     a_compressed_term_is_refused,
     torn_terms_are_refused,
     an_atom_that_is_too_long_is_refused,
     a_class_name_is_an_atom_or_a_binary,
     exceptions_have_the_shapes_of_the_api,
     details_of_an_exception_are_kept].

init_per_testcase(_, Config) ->
    ok = pyport_term:init(pyport_term:atoms_made() + 10),
    Config.

end_per_testcase(_, _) ->
    ok.

%% doc: the fast path.
a_term_of_known_atoms_is_decoded(_) ->
    Term = #{ok => [1, 2.5, <<"x">>, {self(), make_ref()}]},
    {ok, Term} = pyport_term:decode(term_to_binary(Term)).

%% doc: each new atom counts once, also when the term repeats it.
a_new_atom_is_made_within_the_budget(_) ->
    Made = pyport_term:atoms_made(),
    Name = unique(),
    {ok, [Atom, Atom]} = pyport_term:decode(list([atom(Name), atom(Name)])),
    Name = atom_to_binary(Atom),
    1 = pyport_term:atoms_made() - Made,
    {ok, Atom} = pyport_term:decode(<<131, (atom(Name))/binary>>),
    1 = pyport_term:atoms_made() - Made.

%% doc: all or none of a term's atoms.
atoms_beyond_the_budget_are_refused_and_not_made(_) ->
    Made = pyport_term:atoms_made(),
    Names = [unique() || _ <- lists:seq(1, 11)],
    Max = Made + 10,
    {error, {too_many_atoms, Max}} =
        pyport_term:decode(list([atom(Name) || Name <- Names])),
    [false = exists(Name) || Name <- Names],
    Made = pyport_term:atoms_made().

%% doc: the walk finds the atom behind each form.
every_kind_of_term_is_walked_for_its_atoms(Config) ->
    Local = fun(X) -> {X, Config} end,
    Terms = [0, 1 bsl 30, -1, 1 bsl 100, 1 bsl 3000, 1.5, ok, 'é', {}, {1, 2},
             list_to_tuple(lists:seq(1, 300)), [], "string", [1 | 2],
             <<"binary">>, <<1:3>>, #{a => 1}, self(), make_ref(),
             hd(erlang:ports()), fun lists:map/2, Local],
    [begin
         <<131, Bytes/binary>> = term_to_binary(Term),
         Name = unique(),
         {ok, [Name]} =
             pyport_term_atoms:unknown(list([Bytes, atom(Name)])),
         {ok, []} = pyport_term_atoms:unknown(term_to_binary(Term))
     end || Term <- Terms].

%% doc: a few bytes must not become gigabytes.
a_compressed_term_is_refused(_) ->
    Bomb = term_to_binary(binary:copy(<<0>>, 100000), [compressed]),
    {error, bad_term} = pyport_term:decode(Bomb).

%% doc: cut at any place.
torn_terms_are_refused(_) ->
    Whole = list([atom(unique()), <<109, 3:32, "abc">>, atom(unique())]),
    [{error, bad_term} = pyport_term:decode(binary:part(Whole, 0, Size))
     || Size <- lists:seq(0, byte_size(Whole) - 1)],
    {error, bad_term} = pyport_term:decode(<<131, 105, 255, 255, 255, 255>>),
    {error, bad_term} = pyport_term:decode(<<131, 1>>).

%% doc: 256 characters are no atom.
an_atom_that_is_too_long_is_refused(_) ->
    Name = binary:copy(<<"a">>, 256),
    {error, bad_term} =
        pyport_term:decode(<<131, 118, 256:16, Name/binary>>),
    Name = pyport_term:class_name(Name).

%% doc: a budget for classes too.
a_class_name_is_an_atom_or_a_binary(_) ->
    'ValueError' = pyport_term:class_name(<<"ValueError">>),
    Name = unique(),
    Name = atom_to_binary(pyport_term:class_name(Name)),
    ok = pyport_term:init(pyport_term:atoms_made()),
    Other = unique(),
    Other = pyport_term:class_name(Other).

%% doc: messages are strings of code points.
exceptions_have_the_shapes_of_the_api(_) ->
    Of = fun(Type, Message) ->
        pyport_term:exception_to_error(
          term_to_binary({Type, Message, <<"trace">>}))
    end,
    {error, {'ZeroDivisionError', "division by zero"}, <<"trace">>} =
        Of(<<"ZeroDivisionError">>, <<"division by zero">>),
    {error, {'ValueError', [16#E9, 16#20AC]}, _} =
        Of(<<"ValueError">>, <<"é€"/utf8>>),
    {error, interrupted, _} = Of(<<"KeyboardInterrupt">>, <<>>),
    {error, {stop_iteration, none}, _} = Of(<<"StopIteration">>, <<>>),
    {error, {stop_iteration, <<"7">>}, _} = Of(<<"StopIteration">>, <<"7">>),
    {error, {bad_answer, bad_term}, <<>>} =
        pyport_term:exception_to_error(<<131, 97, 1>>).

%% doc: the map of docs/protocol.md, causes included.
details_of_an_exception_are_kept(_) ->
    Cause = #{type => <<"KeyError">>, message => <<"'k'">>,
              traceback => <<"t0">>, notes => [], cause => none},
    Details = Cause#{type := <<"ValueError">>, message := <<"bad">>,
                     traceback := <<"t1">>, notes := [<<"n">>],
                     cause := Cause},
    {error, Error, <<"t1">>} =
        pyport_term:exception_to_error(term_to_binary(Details)),
    #{type := 'ValueError', message := "bad", notes := [<<"n">>],
      cause := #{type := 'KeyError', message := "'k'", cause := none}} = Error.

%% Internal.

%% A name that is no atom, in this node's life.
unique() ->
    Number = erlang:unique_integer([positive]),
    Time = erlang:system_time(),
    <<"new_", (integer_to_binary(Number))/binary, "_",
      (integer_to_binary(Time))/binary>>.

atom(Name) ->
    <<119, (byte_size(Name)), Name/binary>>.

list(Items) ->
    iolist_to_binary([131, 108, <<(length(Items)):32>>, Items, 106]).

exists(Name) ->
    try binary_to_existing_atom(Name) of
        _ -> true
    catch
        error:badarg -> false
    end.
