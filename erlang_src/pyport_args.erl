%% Checks of what a user passes, before anything is sent. Pure.
%%
%% An answer is `ok' or a value to send, or an error that names the argument
%% and the accepted form: {invalid_argument, Name, Accepted} for a positional
%% argument, {invalid_option, Key, Accepted} for a key of an option map.
%% @private
-module(pyport_args).

-export([call_payload/4, eval_payload/2, exec_payload/1]).
-export([timeout/1, is_name/1, options/2, path/1, is_window/1]).
-export([invalid/2]).

-export_type([name/0, code/0, invalid/0, invalid_argument/0, rule/0]).

-type name() :: atom() | binary() | string().
-type code() :: binary() | string().
-type invalid_argument() ::
    {error, {invalid_argument, Name :: atom(), Accepted :: binary()}}.
-type invalid() ::
    invalid_argument()
    | {error, {invalid_option, Key :: term(), binary() | [atom()]}}.
-type rule() :: {fun((term()) -> boolean()), Accepted :: binary()}.

%% The field of the wire has 32 bits.
-define(TIMEOUT_MS_MAX, 16#FFFFFFFF).
-define(A_NAME,
    <<"an atom, a binary or a string: not empty, UTF-8, without NUL">>
).
-define(CODE, <<"a binary in UTF-8 or a string">>).

%% The first clause is the hot path: two atoms need no look.
-spec call_payload(term(), term(), term(), term()) ->
    {ok, binary()} | invalid_argument().
call_payload(M, F, Args, Kw) when
    is_atom(M), is_atom(F), is_list(Args), is_map(Kw)
->
    {ok, term_to_binary({M, F, Args, Kw})};
call_payload(_, _, Args, _) when not is_list(Args) ->
    invalid(args, <<"a proper list">>);
call_payload(_, _, _, Kw) when not is_map(Kw) ->
    invalid(kwargs, <<"a map of names to values">>);
call_payload(M, F, Args, Kw) ->
    case {name(M), name(F)} of
        {error, _} -> invalid(module, ?A_NAME);
        {_, error} -> invalid(function, ?A_NAME);
        {Module, Function} ->
            {ok, term_to_binary({Module, Function, Args, Kw})}
    end.

-spec eval_payload(term(), term()) ->
    {ok, binary()} | invalid_argument().
eval_payload(_, Locals) when not is_map(Locals) ->
    invalid(locals, <<"a map of names to values">>);
eval_payload(Code, Locals) ->
    case text(Code) of
        error -> invalid(code, ?CODE);
        Text -> {ok, term_to_binary({Text, Locals})}
    end.

-spec exec_payload(term()) ->
    {ok, binary()} | invalid_argument().
exec_payload(Code) ->
    case text(Code) of
        error -> invalid(code, ?CODE);
        Text -> {ok, term_to_binary(Text)}
    end.

%% On the wire 0 is "no limit": a caller who asks for 0 gets 1 ms.
-spec timeout(term()) -> {ok, infinity | pos_integer()} | invalid_argument().
timeout(infinity) ->
    {ok, infinity};
timeout(0) ->
    {ok, 1};
timeout(Ms) when is_integer(Ms), Ms > 0, Ms =< ?TIMEOUT_MS_MAX ->
    {ok, Ms};
timeout(_) ->
    invalid(timeout, <<"milliseconds from 0 to 4294967295, or infinity">>).

-spec is_name(term()) -> boolean().
is_name(Term) ->
    name(Term) =/= error.

%% Every key of the map has a rule, and every value fits its rule.
-spec options(term(), #{atom() => rule()}) -> ok | invalid().
options(Options, Rules) when is_map(Options) ->
    maps:fold(
        fun
            (Key, Value, ok) -> option(Key, Value, Rules);
            (_, _, Error) -> Error
        end,
        ok,
        Options
    );
options(_, _) ->
    invalid(options, <<"a map">>).

%% A file name as UTF-8, or error.
-spec path(term()) -> binary() | error.
path(Path) ->
    case text(Path) of
        <<>> -> error;
        Text when is_binary(Text) -> no_nul(Text);
        error -> error
    end.

%% The window of a buffer: a ring has to be a power of two.
-spec is_window(term()) -> boolean().
is_window(Bytes) ->
    is_integer(Bytes) andalso Bytes >= 1 bsl 16 andalso
        Bytes =< 1 bsl 30 andalso Bytes band (Bytes - 1) =:= 0.

-spec invalid(atom(), binary()) -> invalid_argument().
invalid(Name, Accepted) ->
    {error, {invalid_argument, Name, Accepted}}.

%% Internal.

-spec option(term(), term(), #{atom() => rule()}) -> ok | invalid().
option(Key, Value, Rules) ->
    case Rules of
        #{Key := {Fits, Accepted}} ->
            case Fits(Value) of
                true -> ok;
                false -> {error, {invalid_option, Key, Accepted}}
            end;
        #{} ->
            {error, {invalid_option, Key, lists:sort(maps:keys(Rules))}}
    end.

-spec name(term()) -> atom() | binary() | error.
name('') ->
    error;
name(Name) when is_atom(Name) ->
    Name;
name(Name) when is_binary(Name), Name =/= <<>> ->
    case text(Name) of
        error -> error;
        Text -> no_nul(valid(Text))
    end;
name([_ | _] = Name) ->
    %% A list of arguments such as [16] is no name.
    case io_lib:printable_unicode_list(Name) of
        true -> text(Name);
        false -> error
    end;
name(_) ->
    error.

%% Binaries pass as they are: the program names the byte that is not UTF-8.
-spec text(term()) -> binary() | error.
text(Text) when is_binary(Text) ->
    Text;
text(Text) when is_list(Text) ->
    try unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> Binary;
        _ -> error
    catch
        error:badarg -> error
    end;
text(_) ->
    error.

-spec valid(binary()) -> binary() | error.
valid(Text) ->
    case unicode:characters_to_binary(Text) of
        Text -> Text;
        _ -> error
    end.

-spec no_nul(binary() | error) -> binary() | error.
no_nul(error) ->
    error;
no_nul(Text) ->
    case binary:match(Text, <<0>>) of
        nomatch -> Text;
        _ -> error
    end.
