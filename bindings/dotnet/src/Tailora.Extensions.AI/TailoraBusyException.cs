namespace Tailora.Extensions.AI;

/// <summary>As many calls as may wait for the model are waiting already; a web service answers 503 or 429.</summary>
public sealed class TailoraBusyException : TailoraException
{
    internal TailoraBusyException(int running, int waiting)
        : base(
            TailoraErrorCode.Busy,
            $"{running} calls are running and {waiting} are waiting, which is all that may wait; try again later, or raise MaxConcurrency or MaxQueue")
    {
        Running = running;
        Waiting = waiting;
    }

    /// <summary>Calls that were being answered.</summary>
    public int Running { get; }

    /// <summary>Calls that were waiting.</summary>
    public int Waiting { get; }
}
