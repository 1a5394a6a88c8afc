// Generated from contracts/src/test/HostileToken.sol by contracts/build.ts. Do not edit.
export const hostileTokenAbi = [
  {
    "inputs": [],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "allowance",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "needed",
        "type": "uint256"
      }
    ],
    "name": "ERC20InsufficientAllowance",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "sender",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "balance",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "needed",
        "type": "uint256"
      }
    ],
    "name": "ERC20InsufficientBalance",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "approver",
        "type": "address"
      }
    ],
    "name": "ERC20InvalidApprover",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "receiver",
        "type": "address"
      }
    ],
    "name": "ERC20InvalidReceiver",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "sender",
        "type": "address"
      }
    ],
    "name": "ERC20InvalidSender",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      }
    ],
    "name": "ERC20InvalidSpender",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "from",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "HostileRefusal",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "owner",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "spender",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "value",
        "type": "uint256"
      }
    ],
    "name": "Approval",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "from",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "value",
        "type": "uint256"
      }
    ],
    "name": "Transfer",
    "type": "event"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      }
    ],
    "name": "allowance",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "value",
        "type": "uint256"
      }
    ],
    "name": "approve",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "balanceOf",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "decimals",
    "outputs": [
      {
        "internalType": "uint8",
        "name": "",
        "type": "uint8"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      }
    ],
    "name": "isTrustedForwarder",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "mint",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "mode",
    "outputs": [
      {
        "internalType": "enum HostileToken.Mode",
        "name": "",
        "type": "uint8"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "name",
    "outputs": [
      {
        "internalType": "string",
        "name": "",
        "type": "string"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      },
      {
        "internalType": "uint8",
        "name": "",
        "type": "uint8"
      },
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      }
    ],
    "name": "permit",
    "outputs": [],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "reentryAnswer",
    "outputs": [
      {
        "internalType": "bytes",
        "name": "",
        "type": "bytes"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "reentryData",
    "outputs": [
      {
        "internalType": "bytes",
        "name": "",
        "type": "bytes"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "reentrySucceeded",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "reentryTarget",
    "outputs": [
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "reentryTried",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "enum HostileToken.Mode",
        "name": "mode_",
        "type": "uint8"
      }
    ],
    "name": "setMode",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "target",
        "type": "address"
      },
      {
        "internalType": "bytes",
        "name": "data",
        "type": "bytes"
      }
    ],
    "name": "setReentry",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bool",
        "name": "trusts",
        "type": "bool"
      }
    ],
    "name": "setTrustsEveryone",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "symbol",
    "outputs": [
      {
        "internalType": "string",
        "name": "",
        "type": "string"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "totalSupply",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "value",
        "type": "uint256"
      }
    ],
    "name": "transfer",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "from",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "transferFrom",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "trustsEveryone",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  }
] as const;

export const hostileTokenBytecode = '0x60806040523461032757604080519081016001600160401b0381118282101761022f5760409081526007825266486f7374696c6560c81b602083015280519081016001600160401b0381118282101761022f5760405260048152631213d4d560e21b602082015281516001600160401b03811161022f57600354600181811c9116801561031d575b602082101461021157601f81116102af575b50602092601f821160011461024e57928192935f92610243575b50508160011b915f199060031b1c1916176003555b80516001600160401b03811161022f57600454600181811c91168015610225575b602082101461021157601f81116101a3575b50602091601f8211600114610143579181925f92610138575b50508160011b915f199060031b1c1916176004555b604051611661908161032c8239f35b015190505f80610114565b601f1982169260045f52805f20915f5b85811061018b57508360019510610173575b505050811b01600455610129565b01515f1960f88460031b161c191690555f8080610165565b91926020600181928685015181550194019201610153565b818111156100fb5760045f52601f820160051c7f8a35acfbc15ff81a39ae7d344fd709f28e8600b4aa8c65c6b64bfe7fe36bd19b60208410610209575b81601f9101920160051c03905f5b8281106101fc5750506100fb565b5f828201556001016101ee565b5f91506101e0565b634e487b7160e01b5f52602260045260245ffd5b90607f16906100e9565b634e487b7160e01b5f52604160045260245ffd5b015190505f806100b3565b601f1982169360035f52805f20915f5b868110610297575083600195961061027f575b505050811b016003556100c8565b01515f1960f88460031b161c191690555f8080610271565b9192602060018192868501518155019401920161025e565b818111156100995760035f52601f820160051c7fc2575a0e9e593c00f959f8c92f12db2869c3395a3b0502d05e2516446f71f85b60208410610315575b81601f9101920160051c03905f5b828110610308575050610099565b5f828201556001016102fa565b5f91506102ec565b90607f1690610087565b5f80fdfe6080806040526004361015610012575f80fd5b5f3560e01c90816306fdde0314610de657508063095ea7b314610ce15780631580fb7214610c6f57806318160ddd14610c3457806321175b4a14610bc857806323b872dd14610b71578063295a521214610b2a578063313ce56714610af157806340c10f19146109f2578063572b6c051461099057806358f63fb81461070d57806359703b2e146106ca57806370a08231146106685780637c5817d2146105a5578063895107ee1461056557806395d89b41146104a2578063a9059cbb14610453578063b36ae5e614610335578063c1f73e5f146102f2578063d505accf146101f2578063dd62ed3e146101665763eb9d77f91461010e575f80fd5b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257602073ffffffffffffffffffffffffffffffffffffffff60055460101c16604051908152f35b5f80fd5b346101625760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101625761019d610ee9565b73ffffffffffffffffffffffffffffffffffffffff6101ba610f0c565b91165f52600160205273ffffffffffffffffffffffffffffffffffffffff60405f2091165f52602052602060405f2054604051908152f35b346101625760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257610229610ee9565b50610232610f0c565b5060843560ff8116036101625760ff60055416600f8110156102c557600c81146102c357600d146102bb5760646040517f08c379a000000000000000000000000000000000000000000000000000000000815260206004820152600960248201527f6e6f207065726d697400000000000000000000000000000000000000000000006044820152fd5b61ea60604051fd5bfe5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257602060ff60055460081c166040519015158152f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576040515f60065461037381610f2f565b808452906001811690811561041157506001146103b3575b6103af8361039b81850382610f80565b604051918291602083526020830190610ea6565b0390f35b60065f9081527ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f939250905b8082106103f75750909150810160200161039b61038b565b9192600181602092548385880101520191019092916103df565b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff001660208086019190915291151560051b8401909101915061039b905061038b565b346101625760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101625761049761048d610ee9565b60243590336115c9565b602060405160018152f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576040515f6004546104e081610f2f565b80845290600181169081156104115750600114610507576103af8361039b81850382610f80565b91905060045f527f8a35acfbc15ff81a39ae7d344fd709f28e8600b4aa8c65c6b64bfe7fe36bd19b915f905b80821061054b5750909150810160200161039b61038b565b919260018160209254838588010152019101909291610533565b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257602060ff600754166040519015158152f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576040515f6008546105e381610f2f565b8084529060018116908115610411575060011461060a576103af8361039b81850382610f80565b60085f9081527ff3f7a9fe364faab93b216da50a3214154f22a0a2b415b23a84c8169e8b636ee3939250905b80821061064e5750909150810160200161039b61038b565b919260018160209254838588010152019101909291610636565b346101625760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101625773ffffffffffffffffffffffffffffffffffffffff6106b4610ee9565b165f525f602052602060405f2054604051908152f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257602060ff60075460081c166040519015158152f35b346101625760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257610744610ee9565b6024359067ffffffffffffffff821161016257366023830112156101625781600401359067ffffffffffffffff821161016257366024838501011161016257600b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0060055416176005557fffffffffffffffffffff0000000000000000000000000000000000000000ffff75ffffffffffffffffffffffffffffffffffffffff00006005549260101b169116176005556107ff600654610f2f565b601f8111610922575b505f601f8211600114610867578190610854935f92610859575b50507fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8260011b9260031b1c19161790565b600655005b602492500101358380610822565b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe08216927ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f915f5b858110610907575083600195106108cc575b505050811b01600655005b01602401357fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff600384901b60f8161c191690558280806108c1565b909260206001819260248787010135815501940191016108af565b818111156108085760065f52601f820160051c7ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f60208410610988575b81601f9101920160051c03905f5b82811061097b575050610808565b5f8282015560010161096d565b5f915061095f565b346101625760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576109c7610ee9565b5060055460ff8116600f8110156102c557600e146102c35760209060ff6040519160081c1615158152f35b346101625760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257610a29610ee9565b73ffffffffffffffffffffffffffffffffffffffff166024358115610ac55760025490808201809211610a985760207fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef915f9360025584845283825260408420818154019055604051908152a3005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b7fec442f05000000000000000000000000000000000000000000000000000000005f525f60045260245ffd5b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257602060405160128152f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101625760ff60055416604051600f8210156102c5576020918152f35b346101625760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576020610bbe610bad610ee9565b610bb5610f0c565b60443591610fee565b6040519015158152f35b346101625760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257600435600f8110156101625760ff7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00600554169116176005555f80f35b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162576020600254604051908152f35b346101625760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257600435801515809103610162577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00ff61ff006005549260081b169116176005555f80f35b346101625760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261016257610d18610ee9565b602435903315610dba5773ffffffffffffffffffffffffffffffffffffffff16908115610d8e57335f52600160205260405f20825f526020528060405f20556040519081527f8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b92560203392a3602060405160018152f35b7f94280d62000000000000000000000000000000000000000000000000000000005f525f60045260245ffd5b7fe602df05000000000000000000000000000000000000000000000000000000005f525f60045260245ffd5b34610162575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610162575f600354610e2181610f2f565b80845290600181169081156104115750600114610e48576103af8361039b81850382610f80565b91905060035f527fc2575a0e9e593c00f959f8c92f12db2869c3395a3b0502d05e2516446f71f85b915f905b808210610e8c5750909150810160200161039b61038b565b919260018160209254838588010152019101909291610e74565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361016257565b6024359073ffffffffffffffffffffffffffffffffffffffff8216820361016257565b90600182811c92168015610f76575b6020831014610f4957565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602260045260245ffd5b91607f1691610f3e565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610fc157604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b916005549260ff841693600f8510156102c557600185146115835760028514610162576003851461157a576006851461157057600885146102c357600985146102bb57600b8514611254575b50818373ffffffffffffffffffffffffffffffffffffffff8316805f52600160205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f5260205260405f2054907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff82106111cc575b50506110b5926115c9565b600783146110ef575b5050600481146110ea57600581146110e857600a146110dc57600190565b61ea6060405160018152f35b005b505f90565b606473ffffffffffffffffffffffffffffffffffffffff910491169081156111a057815f525f60205260405f205481811061116e5760208284937fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef935f9687528684520360408620558060025403600255604051908152a35f806110be565b827fe450d38c000000000000000000000000000000000000000000000000000000005f5260045260245260445260645ffd5b7f96c6fd1e000000000000000000000000000000000000000000000000000000005f525f60045260245ffd5b9150918210611220578015610dba573315610d8e576110b592849286925f52600160205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f526020528360405f2091039055925f6110aa565b83827ffb8f41b2000000000000000000000000000000000000000000000000000000005f523360045260245260445260645ffd5b6040515f60065461126481610f2f565b906001811690811561153d57506001146114ee575b5091815f73ffffffffffffffffffffffffffffffffffffffff8195948295039360101c165af13d156114e4573d9067ffffffffffffffff8211610fc157600190604051926112ef60207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f8401160185610f80565b83523d5f602085013e5b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000061ff0060075492151560081b169116171760075580519067ffffffffffffffff8211610fc15761134b600854610f2f565b601f8111611476575b50602090601f83116001146113b6576113a192915f91836113ab5750507fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8260011b9260031b1c19161790565b6008555b5f61103a565b015190505f80610822565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe083169160085f527ff3f7a9fe364faab93b216da50a3214154f22a0a2b415b23a84c8169e8b636ee3925f5b81811061145e5750908460019594939210611427575b505050811b016008556113a5565b01517fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff60f88460031b161c191690555f8080611419565b92936020600181928786015181550195019301611403565b828111156113545760085f52601f830160051c7ff3f7a9fe364faab93b216da50a3214154f22a0a2b415b23a84c8169e8b636ee3602085106114dc575b81601f9101920160051c03905f5b8281106114cf575050611354565b5f828201556001016114c1565b5f91506114b3565b60016060916112f9565b905060065f527ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f5f905b828210611529575050810181611279565b600181602092548487015201910190611518565b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0016845250801515028201905081611279565b5050505050600190565b50505050505f90565b5073ffffffffffffffffffffffffffffffffffffffff907f476e5ac1000000000000000000000000000000000000000000000000000000005f521660045260245260445ffd5b73ffffffffffffffffffffffffffffffffffffffff169081156111a05773ffffffffffffffffffffffffffffffffffffffff16918215610ac557815f525f60205260405f205481811061116e57817fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef92602092855f525f84520360405f2055845f525f825260405f20818154019055604051908152a356' as const;
