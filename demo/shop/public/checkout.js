// The checkout page: shows the payment's way, and lets a wallet pay. It talks to the shop only and knows no key.

const checkout = document.querySelector('#checkout');
const payment = JSON.parse(checkout.dataset.payment);
const orderPath = `/orders/${payment.paymentId}`;
const ethereum = window.ethereum;

const MESSAGES = {
  pending: 'Waiting for your payment.',
  processing: 'Your payment is on its way.',
  completed: 'Paid. Thank you!',
  expired: 'The time to pay is over. Nothing was taken.',
  failed: 'The payment failed. Nothing was taken.',
  cancelled: 'The shop cancelled this payment.',
};
const STEPS = ['pending', 'processing', 'completed'];
const PAUSE_MS = 1000;

const find = (selector) => checkout.querySelector(selector);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- The payment's way --------------------------------------------------------------------------------------------------------------

async function follow() {
  let known = '';
  for (;;) {
    try {
      const status = await askJson(`${orderPath}/status?known=${encodeURIComponent(known)}`);
      known = status.known;
      showStatus(status);
      const { webhooks, shipped } = await askJson(`${orderPath}.json`);
      showWebhooks(webhooks, shipped);
      // The webhook comes a moment after the status; an order that was not paid may still be, if its transaction was late.
      if (status.status === 'completed') {
        if (shipped) return;
        await sleep(PAUSE_MS);
        known = '';
      }
    } catch {
      await sleep(PAUSE_MS);
    }
  }
}

function showStatus({ status, confirmations, txHash }) {
  const current = STEPS.indexOf(status);
  for (const step of find('#progress').children) {
    const index = STEPS.indexOf(step.dataset.step);
    step.classList.toggle('done', index < current || status === 'completed');
    step.classList.toggle('now', index === current && status !== 'completed');
  }
  find('#message').textContent = MESSAGES[status] ?? status;
  find('#confirmations').textContent =
    status === 'processing' && txHash
      ? `(${confirmations}/${payment.requiredConfirmations} confirmations)`
      : '';
  find('#transaction').textContent = txHash ?? '–';
  find('#buttons').hidden = status !== 'pending';
}

function showWebhooks(webhooks, shipped) {
  const lines = webhooks.map(
    ({ type, version, verifiedAt }) =>
      `${type} (version ${version}), ${new Date(verifiedAt).toLocaleTimeString()}`,
  );
  if (shipped) lines.push('The order is on its way to you.');
  find('#webhooks').replaceChildren(...lines.map((line) => createItem(line)));
}

// ---- Paying -------------------------------------------------------------------------------------------------------------------------

const WAYS = {
  'wallet-direct': payWithWallet,
  'wallet-gasless': payWithWalletGasless,
  'demo-direct': () => payAsDemoCustomer('direct'),
  'demo-gasless': () => payAsDemoCustomer('gasless'),
};

for (const button of checkout.querySelectorAll('[data-pay]'))
  button.addEventListener('click', () => pay(WAYS[button.dataset.pay]));

async function pay(way) {
  const buttons = [...checkout.querySelectorAll('[data-pay]')];
  for (const button of buttons) button.disabled = true;
  find('#log').replaceChildren();
  try {
    await way();
  } catch (error) {
    tell(error.message ?? String(error), 'error');
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** The customer's wallet sends the transactions and pays their gas. */
async function payWithWallet() {
  const from = await connectWallet();
  await allowGateway(from);
  tell('Please confirm the payment.');
  const hash = await ethereum.request({
    method: 'eth_sendTransaction',
    params: [{ from, ...payment.calls.pay }],
  });
  tell(`Sent: ${hash}`);
}

/** Lets the gateway take the amount. Some tokens (USDT) refuse to change an allowance that is left over: there it is set to 0 first. */
async function allowGateway(from) {
  const { approve, approveNothing, pay: payCall } = payment.calls;
  // allowance(owner, spender)
  const allowance = BigInt(
    await call({ to: approve.to, data: `0xdd62ed3e${toWord(from)}${toWord(payCall.to)}` }),
  );
  if (allowance >= BigInt(payment.amount)) return;
  const isRefused = () =>
    call({ from, ...approve }).then(
      () => false,
      () => true,
    );
  if (allowance > 0n && (await isRefused())) {
    tell('This token wants an earlier approval taken back first. Please confirm that.');
    await sendAndWait({ from, ...approveNothing });
  }
  tell('Please allow the gateway to take the amount.');
  await sendAndWait({ from, ...approve });
}

/** The customer's wallet only signs; the payment server's relayer sends the transaction and pays the gas. */
async function payWithWalletGasless() {
  const from = await connectWallet();
  const request = await askJson(`${orderPath}/gasless?userAddress=${from}`);
  const sign = (typedData) =>
    ethereum.request({ method: 'eth_signTypedData_v4', params: [from, JSON.stringify(typedData)] });
  // No permit of this token, or of this account, would be taken: it takes a transaction of the customer's.
  if (request.approveFirst) await allowGateway(from);
  let permit = null;
  if (request.permit !== null) {
    tell('Please sign the permit: the gateway may take the amount.');
    permit = {
      value: request.permit.value,
      deadline: request.permit.deadline,
      signature: await sign(request.permit.typedData),
    };
  }
  tell('Please sign the payment.');
  const signature = await sign(request.typedData);
  const { txHash } = await askJson(`${orderPath}/relay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': newKey() },
    body: JSON.stringify({ forwardRequest: request.forwardRequest, signature, permit }),
  });
  tell(txHash ? `The relayer sent it: ${txHash}` : 'Handed over to the relayer.');
}

async function connectWallet() {
  const [account] = await ethereum.request({ method: 'eth_requestAccounts' });
  await ethereum.request({
    method: 'wallet_switchEthereumChain',
    params: [{ chainId: `0x${payment.chainId.toString(16)}` }],
  });
  return account;
}

const call = (transaction) =>
  ethereum.request({ method: 'eth_call', params: [transaction, 'latest'] });

async function sendAndWait(transaction) {
  const hash = await ethereum.request({ method: 'eth_sendTransaction', params: [transaction] });
  for (;;) {
    const receipt = await ethereum.request({ method: 'eth_getTransactionReceipt', params: [hash] });
    if (receipt?.status === '0x0') throw new Error('The approval was reverted.');
    if (receipt) return;
    await sleep(PAUSE_MS);
  }
}

/** The shop plays the customer, and tells each step as it happens: one JSON object a line. */
async function payAsDemoCustomer(way) {
  const response = await fetch(`${orderPath}/demo-payment`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ way }),
  });
  if (!response.ok) throw new Error((await response.json()).error);
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const { step, error } = JSON.parse(line);
      tell(step ?? error, error === undefined ? '' : 'error');
    }
  }
}

// ---- Small things -------------------------------------------------------------------------------------------------------------------

async function askJson(url, options = {}) {
  const response = await fetch(url, {
    ...options,
    headers: { accept: 'application/json', ...options.headers },
  });
  const reply = await response.json();
  if (!response.ok) throw new Error(reply.error);
  return reply;
}

function tell(message, className = '') {
  find('#log').append(createItem(message, className));
}

function createItem(text, className = '') {
  const item = document.createElement('li');
  item.textContent = text;
  item.className = className;
  return item;
}

/** An address as a 32-byte argument. */
function toWord(address) {
  return address.slice(2).toLowerCase().padStart(64, '0');
}

/** A key for this click: a repetition of its request is recognised by it. crypto.randomUUID is only there on https and localhost. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

find('#wallet-buttons').hidden = ethereum === undefined;
find('#no-wallet').hidden = ethereum !== undefined;
await follow();
