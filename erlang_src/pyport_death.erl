%% @private
%% @doc What is known of the death of an operating-system process, as the
%% term that callers get in `{error, {context_died, Death}}'.
-module(pyport_death).

-export([make/4, failed_start/3, told/1]).

-export_type([death/0, reason/0, end_of_link/0]).

-type reason() :: {signal, pos_integer()}
                | {exit_status, non_neg_integer()}
                | killed_after_timeout | memory_limit
                | protocol_error | link_closed
                | {setup_failed, term()} | {refused, term()}
                | {not_started, term()}.
-type death() :: #{reason := reason(),
                   name := atom(),
                   python_stack := binary(),
                   stderr := binary(),
                   os_pid := non_neg_integer() | undefined}.
%% How the link saw the end.
-type end_of_link() :: {exit_status, non_neg_integer()}
                     | {refused, term()} | {not_started, term()}
                     | {setup_failed, term()}
                     | protocol_error | silent | link_closed.

%% What the program says when the peer broke the protocol.
-define(EXIT_PROTOCOL, 65).
%% The shell's and ERTS's way to tell a signal from an exit status.
-define(SIGNAL_BASE, 128).

%% @doc Puts together what the link saw, what the program announced before
%% and the last that was written to stderr.
-spec make(end_of_link(), none | atom(), binary(),
           non_neg_integer() | undefined) -> death().
make(End, Announced, Stderr, OsPid) ->
    Reason = reason(End, Announced),
    #{reason => Reason,
      name => name(Reason),
      python_stack => python_stack(Stderr),
      stderr => Stderr,
      os_pid => OsPid}.

%% @doc Why the first start of a host failed.
-spec failed_start(term(), binary(), pos_integer()) -> term().
failed_start({not_started, Reason}, _, _) -> Reason;
failed_start({refused, Reason}, _, _) -> Reason;
failed_start(silent, _, Ms) -> {start_timeout, Ms};
failed_start({exit_status, Status}, Stderr, _) ->
    {program_failed, Status, Stderr};
failed_start(Other, Stderr, _) ->
    {program_failed, Other, Stderr}.

%% @doc What the callers of a link are told when it ends for the reason.
-spec told(term()) -> context_destroyed | {context_died, term()}.
told({shutdown, {context_died, _} = Died}) -> Died;
told(_) -> context_destroyed.

%% @doc What the program announced explains its end better than the way in
%% which it ended.
-spec reason(end_of_link(), none | atom()) -> reason().
reason(_, killed_after_timeout) -> killed_after_timeout;
reason(_, memory_limit) -> memory_limit;
reason({exit_status, ?EXIT_PROTOCOL}, _) -> protocol_error;
reason({exit_status, Status}, _) when Status > ?SIGNAL_BASE ->
    {signal, Status - ?SIGNAL_BASE};
reason({exit_status, Status}, _) -> {exit_status, Status};
reason(silent, _) -> link_closed;
reason(End, _) -> End.

-spec name(reason()) -> atom().
name({signal, Number}) -> signal_name(Number);
name({Kind, _}) -> Kind;
name(Reason) -> Reason.

-spec signal_name(pos_integer()) -> atom().
signal_name(1) -> sighup;
signal_name(2) -> sigint;
signal_name(3) -> sigquit;
signal_name(4) -> sigill;
signal_name(5) -> sigtrap;
signal_name(6) -> sigabrt;
signal_name(7) -> sigbus;
signal_name(8) -> sigfpe;
signal_name(9) -> sigkill;
signal_name(11) -> sigsegv;
signal_name(13) -> sigpipe;
signal_name(14) -> sigalrm;
signal_name(15) -> sigterm;
signal_name(24) -> sigxcpu;
signal_name(25) -> sigxfsz;
signal_name(31) -> sigsys;
signal_name(_) -> signal.

%% faulthandler begins with this line, whatever was printed before.
-spec python_stack(binary()) -> binary().
python_stack(Stderr) ->
    case binary:match(Stderr, <<"Fatal Python error">>) of
        {Start, _} -> binary:part(Stderr, Start, byte_size(Stderr) - Start);
        nomatch -> <<>>
    end.
