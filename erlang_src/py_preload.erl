%% @doc Python code that every new context runs first.
%%
%% == Use ==
%% ```
%% ok = py_preload:set_code(<<"import json\nLIMIT = 10">>).
%% {ok, Ctx} = py_context:new(#{mode => worker}).
%% {ok, 10} = py_context:eval(Ctx, <<"LIMIT">>).
%% '''
%% The code runs once in the namespace of each context that is created after
%% {@link set_code/1}, before its own `preload' option, and again when the
%% operating-system process behind the context was restarted. Contexts that
%% exist already are not touched. Code that fails makes the creation of the
%% context fail with the Python error.
%%
%% Changing the code costs a pass over all processes of the node
%% (`persistent_term'), so set it at start and not per request.
-module(py_preload).

-export([set_code/1, get_code/0, clear_code/0, has_preload/0]).

-define(KEY, {?MODULE, code}).

%% @doc Sets the code. Raises `badarg' when it is no iodata in UTF-8.
-spec set_code(iodata()) -> ok.
set_code(Code) ->
    Text = iolist_to_binary(Code),
    case unicode:characters_to_binary(Text) of
        Text -> persistent_term:put(?KEY, Text);
        _ -> error(badarg, [Code])
    end.

%% @doc The code, or `undefined' when none is set.
-spec get_code() -> binary() | undefined.
get_code() ->
    persistent_term:get(?KEY, undefined).

%% @doc Forgets the code.
-spec clear_code() -> ok.
clear_code() ->
    _ = persistent_term:erase(?KEY),
    ok.

%% @doc Whether code is set.
-spec has_preload() -> boolean().
has_preload() ->
    get_code() =/= undefined.
