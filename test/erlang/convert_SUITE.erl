%% Every row of the tables in docs/types.md, there and back.
-module(convert_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        terms_arrive_as_the_types_of_the_table,
        results_arrive_as_the_terms_of_the_table,
        integers_are_exact_both_ways,
        floats_are_exact_and_the_special_ones_are_atoms,
        any_atom_is_a_str,
        binaries_are_text_when_they_can_be,
        bytes_that_are_asked_for_are_bytes,
        buffers_come_back_as_binaries,
        arrays_of_numbers_are_nested_lists,
        arrays_are_one_binary_when_asked_for,
        arrays_that_arrive_as_binaries_go_back_as_they_were,
        an_array_whose_parts_disagree_is_a_value_error,
        pids_references_ports_and_funs_come_back,
        pids_and_references_are_equal_and_hashable,
        a_remote_pid_comes_back,
        what_has_no_counterpart_is_a_type_error,
        keys_that_collide_are_a_value_error,
        a_lone_surrogate_is_a_value_error,
        an_unhashable_key_is_a_type_error,
        what_has_no_term_is_its_str,
        a_str_that_raises_is_that_error,
        two_hundred_levels_are_allowed,
        an_atom_made_by_python_is_an_atom,
        atoms_of_python_are_bounded,
        big_lists_and_maps_come_back,
        ten_thousand_random_terms_come_back
    ].

init_per_suite(Config) ->
    ok = py_case:start([{num_contexts, 1}]),
    Config.

end_per_suite(Config) ->
    py_case:stop(Config).

terms_arrive_as_the_types_of_the_table(_) ->
    [
        {Term, Repr} = {Term, repr(Term)}
     || {Term, Repr} <- [
            {true, <<"True">>},
            {false, <<"False">>},
            {none, <<"None">>},
            {nil, <<"None">>},
            {undefined, <<"None">>},
            {null, <<"'null'">>},
            {'None', <<"'None'">>},
            {'', <<"''">>},
            {infinity, <<"'infinity'">>},
            {nan, <<"'nan'">>},
            {1, <<"1">>},
            {-1, <<"-1">>},
            {1.5, <<"1.5">>},
            {-0.0, <<"-0.0">>},
            {<<"text">>, <<"'text'">>},
            {<<>>, <<"''">>},
            {<<255>>, <<"b'\\xff'">>},
            {{bytes, <<"raw">>}, <<"b'raw'">>},
            {{bytes, foo}, <<"('bytes', 'foo')">>},
            {{bytes, <<>>, x}, <<"('bytes', '', 'x')">>},
            {"abc", <<"[97, 98, 99]">>},
            {[], <<"[]">>},
            {{}, <<"()">>},
            {{1, {2}}, <<"(1, (2,))">>},
            {#{a => [1]}, <<"{'a': [1]}">>},
            {[<<"io">>, [10 | [<<"list">>]]], <<"['io', [10, 'list']]">>}
        ]
    ].

results_arrive_as_the_terms_of_the_table(_) ->
    [
        {Code, {ok, Term}} = {Code, py:eval(Code)}
     || {Code, Term} <- [
            {<<"None">>, none},
            {<<"True">>, true},
            {<<"False">>, false},
            {<<"'text'">>, <<"text">>},
            {<<"b'raw'">>, <<"raw">>},
            {<<"'\\0'">>, <<0>>},
            {<<"[1, [2]]">>, [1, [2]]},
            {<<"(1, 'a')">>, {1, <<"a">>}},
            {<<"()">>, {}},
            {<<"{'a': 1, 2: [3]}">>, #{<<"a">> => 1, 2 => [3]}},
            {<<"__import__('collections').Counter('aab')">>,
                #{<<"a">> => 2, <<"b">> => 1}},
            {<<"__import__('collections').namedtuple('P', 'x y')(1, 2)">>,
                {1, 2}},
            {<<"__import__('enum').IntEnum('E', 'A').A">>, 1},
            {<<"type('S', (str,), {})('sub')">>, <<"sub">>}
        ]
    ].

integers_are_exact_both_ways(_) ->
    Powers = [7, 8, 15, 16, 31, 32, 59, 60, 63, 64, 65, 512, 2039, 2040, 4096],
    Edges = lists:append([
        [Sign * ((1 bsl Power) + Near) || Near <- [-1, 0, 1], Sign <- [1, -1]]
     || Power <- Powers
    ]),
    [N = back(N) || N <- [0 | Edges]],
    {ok, Huge} = py:eval(<<"-(3 ** 20000)">>),
    Huge = -pow(3, 20000).

floats_are_exact_and_the_special_ones_are_atoms(_) ->
    [
        F = back(F)
     || F <- [0.1, 1.0e308, 5.0e-324, -2.5, 1 / 3, 1.7976931348623157e308]
    ],
    <<1:1, 0:63>> = <<(back(-0.0)):64/float>>,
    {ok, nan} = py:eval(<<"float('nan')">>),
    {ok, infinity} = py:eval(<<"float('inf')">>),
    {ok, neg_infinity} = py:eval(<<"-float('inf')">>).

any_atom_is_a_str(_) ->
    Atoms = [a, 'with space', 'é', '日本', 'A', '\x{1F600}'],
    [{Atom, Text} = {Atom, back(Atom)} || Atom <- Atoms,
        Text <- [atom_to_binary(Atom)]].

binaries_are_text_when_they_can_be(_) ->
    {ok, <<"str">>} = type(<<"é"/utf8>>),
    {ok, <<"bytes">>} = type(<<233>>),
    {ok, <<"str">>} = type(<<0>>),
    %% Encoded surrogates and overlong forms are not UTF-8.
    {ok, <<"bytes">>} = type(<<237, 160, 128>>),
    {ok, <<"bytes">>} = type(<<192, 128>>),
    All = list_to_binary(lists:seq(0, 255)),
    All = back(All).

bytes_that_are_asked_for_are_bytes(_) ->
    {ok, <<"bytes">>} = type({bytes, <<"text">>}),
    <<"text">> = back({bytes, <<"text">>}),
    {ok, <<"tuple">>} = type({bytes, "text"}).

buffers_come_back_as_binaries(_) ->
    {ok, <<"abc">>} = py:eval(<<"bytearray(b'abc')">>),
    {ok, <<"bc">>} = py:eval(<<"memoryview(b'abc')[1:]">>).

arrays_of_numbers_are_nested_lists(_) ->
    [
        {Make, {ok, List}} = {Make, array(Make, Options)}
     || {Make, List} <- [
            {<<"array.array('i', [1, -2])">>, [1, -2]},
            {<<"array.array('d', [])">>, []},
            {<<"memoryview(bytes(range(6))).cast('B', (2, 3))">>,
                [[0, 1, 2], [3, 4, 5]]}
        ],
        Options <- [#{}, #{arrays => list}]
    ].

arrays_are_one_binary_when_asked_for(_) ->
    [
        {Make, {ok, {ndarray, Dtype, Shape, Data}}} =
            {Make, array(Make, #{arrays => binary})}
     || {Make, Dtype, Shape, Data} <- [
            {<<"array.array('i', [1, -2])">>, <<"<i4">>, [2],
                <<1:32/little, -2:32/little>>},
            {<<"array.array('Q', [2**64 - 1])">>, <<"<u8">>, [1], <<-1:64>>},
            {<<"array.array('f', [0.5])">>, <<"<f4">>, [1],
                <<0.5:32/float-little>>},
            {<<"array.array('d', [])">>, <<"<f8">>, [0], <<>>},
            {<<"memoryview(bytes(range(6))).cast('B', (2, 3))">>, <<"|u1">>,
                [2, 3], <<0, 1, 2, 3, 4, 5>>},
            {<<"memoryview(bytes(8)).cast('h', (2, 2))">>, <<"<i2">>, [2, 2],
                <<0:64>>},
            %% Not contiguous: the elements are gathered in C order.
            {<<"memoryview(array.array('h', range(5)))[::2]">>, <<"<i2">>, [3],
                <<0:16/little, 2:16/little, 4:16/little>>}
        ]
    ],
    %% Within another term, and beside detailed errors.
    {ok, #{<<"a">> := [{ndarray, <<"|i1">>, [1], <<7>>}]}} =
        array(<<"{'a': [array.array('b', [7])]}">>, #{
            arrays => binary, errors => detailed
        }),
    %% Bytes are bytes, whatever is asked for.
    {ok, <<"raw">>} = array(<<"bytearray(b'raw')">>, #{arrays => binary}),
    {error, {invalid_option, arrays, <<"list or binary">>}} =
        array(<<"1">>, #{arrays => lists}).

arrays_that_arrive_as_binaries_go_back_as_they_were(_) ->
    Ctx = py:context(),
    [
        {ok, [Array]} =
            py:call(Ctx, builtins, list, [[Array]], #{arrays => binary})
     || Array <- [
            {ndarray, <<"<f8">>, [2], <<1.5:64/float-little, 0:64>>},
            {ndarray, <<"<i4">>, [2, 1], <<7:32/little, -7:32/little>>},
            {ndarray, <<"|u1">>, [1, 2, 2], <<1, 2, 3, 4>>}
        ]
    ].

an_array_whose_parts_disagree_is_a_value_error(_) ->
    [
        {error, {'ValueError', "ndarray " ++ _}} =
            py:call(builtins, len, [{ndarray, Dtype, Shape, Data}])
     || {Dtype, Shape, Data} <- [
            {<<"<f8">>, [2], <<0:64>>},
            {<<"<i4">>, [1 bsl 31 - 1, 1 bsl 31 - 1, 8], <<0:32>>},
            {<<"O8">>, [1], <<0:64>>},
            {<<"<f9999999999">>, [1], <<0:64>>},
            {<<>>, [], <<>>}
        ]
    ].

pids_references_ports_and_funs_come_back(_) ->
    N = 40,
    Terms = [
        self(),
        make_ref(),
        hd(erlang:ports()),
        fun(X) -> X + N end,
        fun erlang:length/1
    ],
    [Term = back(Term) || Term <- Terms],
    Terms = back(Terms),
    (back(fun(X) -> X + N end))(2) =:= 42 orelse error(not_the_fun).

pids_and_references_are_equal_and_hashable(_) ->
    Ref = make_ref(),
    {ok, true} = py:eval(<<"a == b and hash(a) == hash(b)">>, #{
        a => self(), b => self()
    }),
    {ok, false} = py:eval(<<"a == b">>, #{a => Ref, b => make_ref()}),
    Self = self(),
    {ok, #{Self := 1, Ref := 2}} =
        py:eval(<<"{a: 1, b: 2}">>, #{a => Self, b => Ref}).

%% A pid of a node that does not exist, in the external term format.
a_remote_pid_comes_back(_) ->
    Node = <<"someone@nowhere">>,
    Pid = binary_to_term(
        <<131, 88, 100, (byte_size(Node)):16, Node/binary, 50:32, 0:32, 7:32>>
    ),
    true = is_pid(Pid),
    Pid = back(Pid).

what_has_no_counterpart_is_a_type_error(_) ->
    [
        {error, {'TypeError', [_ | _]}} = py:call(builtins, repr, [Term])
     || Term <- [[1 | 2], <<1:3>>, [[a | b]], #{k => <<5:7>>}]
    ].

keys_that_collide_are_a_value_error(_) ->
    [
        {error, {'ValueError', [_ | _]}} = py:call(builtins, repr, [Map])
     || Map <- [#{a => 1, <<"a">> => 2}, #{1 => x, 1.0 => y}]
    ],
    {error, {'ValueError', [_ | _]}} = py:eval(<<"{'a': 1, b'a': 2}">>),
    {ok, 4.0} = py:call(math, sqrt, [16]).

a_lone_surrogate_is_a_value_error(_) ->
    {error, {'ValueError', [_ | _]}} = surrogate(),
    {error, {'RuntimeError', "?"}} =
        py:exec(<<"raise RuntimeError('\\ud800')">>).

surrogate() ->
    case py:eval(<<"['\\ud800']">>) of
        %% A UnicodeEncodeError is a ValueError.
        {error, {'UnicodeEncodeError', Why}} -> {error, {'ValueError', Why}};
        Other -> Other
    end.

an_unhashable_key_is_a_type_error(_) ->
    [
        {error, {'TypeError', Why}} = py:call(builtins, repr, [#{Key => 1}])
     || Key <- [[1], #{}], Why <- ["unhashable type: " ++ kind(Key)]
    ].

kind(Key) when is_list(Key) -> "'list'";
kind(Key) when is_map(Key) -> "'dict'".

what_has_no_term_is_its_str(_) ->
    [
        {Code, {ok, Text}} = {Code, py:eval(Code)}
     || {Code, Text} <- [
            {<<"1 + 2j">>, <<"(1+2j)">>},
            {<<"{1}">>, <<"{1}">>},
            {<<"range(3)">>, <<"range(0, 3)">>},
            {<<"__import__('decimal').Decimal('1.1')">>, <<"1.1">>},
            {<<"__import__('enum').Enum('E', 'A').A">>, <<"E.A">>},
            {<<"__import__('pathlib').PurePosixPath('/a')">>, <<"/a">>}
        ]
    ].

a_str_that_raises_is_that_error(_) ->
    ok = py:exec(<<
        "class Bad:\n"
        "    def __str__(self): raise LookupError('no str')\n"
    >>),
    {error, {'LookupError', "no str"}} = py:eval(<<"[Bad()]">>).

two_hundred_levels_are_allowed(_) ->
    Deep = lists:foldl(fun(_, T) -> [T] end, 1, lists:seq(1, 190)),
    Deep = back(Deep).

an_atom_made_by_python_is_an_atom(_) ->
    {ok, some_atom} = py:eval(<<"__import__('erlang').atom('some_atom')">>),
    {error, {'ValueError', _}} =
        py:eval(<<"__import__('erlang').atom('x' * 256)">>).

atoms_of_python_are_bounded(Config) ->
    Raise = fun(Name) ->
        Code = ["raise type('", Name, "', (Exception,), {})('m')"],
        {error, {Class, "m"}} = py:exec(lists:flatten(Code)),
        Class
    end,
    Unique = integer_to_list(erlang:unique_integer([positive])),
    true = is_atom(Raise("Within" ++ Unique)),
    ok = py_case:stop(Config),
    ok = py_case:start([{num_contexts, 1}, {atoms_max, 0}]),
    true = is_binary(Raise("Beyond" ++ Unique)),
    'KeyError' = Raise("KeyError"),
    ok = py_case:stop(Config),
    ok = py_case:start([{num_contexts, 1}]).

big_lists_and_maps_come_back(_) ->
    Ints = lists:seq(1, 100000),
    Ints = back(Ints),
    Maps = [
        #{<<"id">> => N, <<"name">> => <<"n">>, <<"on">> => true}
     || N <- lists:seq(1, 5000)
    ],
    Maps = back(Maps),
    Binary = binary:copy(<<200>>, 1 bsl 20),
    Binary = back(Binary).

ten_thousand_random_terms_come_back(_) ->
    true = proper:quickcheck(prop_convert:prop_there_and_back(), [
        {numtests, 10000}, {to_file, user}, quiet
    ]).

%% Internal.

repr(Term) ->
    {ok, Repr} = py:call(builtins, repr, [Term]),
    Repr.

type(Term) ->
    py:eval(<<"type(x).__name__">>, #{x => Term}).

%% What an expression gives as the result of a call with options.
array(Code, Options) ->
    Ctx = py:context(),
    ok = py:exec(Ctx, <<"import array\ndef run(code): return eval(code)">>),
    py:call(Ctx, '__main__', run, [Code], Options).

back(Term) ->
    {ok, Result} = py:eval(<<"x">>, #{x => Term}),
    Result.

pow(_, 0) -> 1;
pow(Base, N) when N rem 2 =:= 0 -> pow(Base * Base, N div 2);
pow(Base, N) -> Base * pow(Base, N - 1).
